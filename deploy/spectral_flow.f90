! The vorticity equation on a doubly periodic square, as a host model would have it: pseudo-spectral, products on 3/2 as
! many points, the classical Runge-Kutta scheme with an integrating factor. Plain sums stand for a fast transform, so that
! nothing is needed but a compiler; a host has its own.
module spectral_flow
  use, intrinsic :: iso_fortran_env, only: real64
  implicit none
  private
  public :: flow_type, flow_create, flow_step, to_waves, to_points, stream_function
  integer, parameter :: dp = real64
  real(dp), parameter :: pi = acos(-1.0_dp)

  type :: flow_type
    integer :: points, padded, kmax
    real(dp), allocatable :: kx(:), ky(:), square(:, :)
    complex(dp), allocatable :: half(:, :), whole(:, :)       ! e^(L dt/2), e^(L dt)
    complex(dp), allocatable :: east(:, :), north(:, :)       ! e^(-i k x) on the points, (k, point)
    complex(dp), allocatable :: east3(:, :), north3(:, :)     ! the same on the padded points
    real(dp) :: dt
  end type

contains

  ! The waves of an n x n grid, and the factors of one step of the linear terms.
  subroutine flow_create(flow, n, dt, viscosity, order, drag, beta)
    type(flow_type), intent(out) :: flow
    integer, intent(in) :: n, order
    real(dp), intent(in) :: dt, viscosity, drag, beta
    complex(dp), allocatable :: linear(:, :)
    integer :: i, k
    k = n / 2 - 1
    flow%points = n
    flow%padded = 3 * n / 2
    flow%kmax = k
    flow%dt = dt
    flow%kx = [(real(i, dp), i = 0, k)]
    flow%ky = [(real(i, dp), i = -k, k)]
    allocate (flow%square(0:k, -k:k), linear(0:k, -k:k))
    do i = -k, k
      flow%square(:, i) = flow%kx**2 + real(i, dp)**2
    end do
    linear = -drag - viscosity * flow%square**order
    do i = -k, k
      where (flow%square(:, i) > 0) linear(:, i) = linear(:, i) + (0, 1) * beta * flow%kx / flow%square(:, i)
    end do
    linear(0, 0) = 0
    flow%half = exp(linear * dt / 2)
    flow%whole = exp(linear * dt)
    flow%east = phases(flow%kx, n)
    flow%north = phases(flow%ky, n)
    flow%east3 = phases(flow%kx, flow%padded)
    flow%north3 = phases(flow%ky, flow%padded)
  end subroutine

  function phases(k, n) result(found)
    real(dp), intent(in) :: k(:)
    integer, intent(in) :: n
    complex(dp) :: found(size(k), n)
    integer :: j
    do j = 1, n
      found(:, j) = exp(cmplx(0, -2 * pi * k * (j - 1) / n, dp))
    end do
  end function

  ! Waves (kx, ky) of a field (x, y) on the points, or on the padded ones.
  function to_waves(flow, field) result(waves)
    type(flow_type), intent(in) :: flow
    real(dp), intent(in) :: field(:, :)
    complex(dp) :: waves(0:flow%kmax, -flow%kmax:flow%kmax)
    if (size(field, 1) == flow%points) then
      waves = matmul(matmul(flow%east, cmplx(field, 0, dp)), transpose(flow%north))
    else
      waves = matmul(matmul(flow%east3, cmplx(field, 0, dp)), transpose(flow%north3))
    end if
    waves = waves / size(field)
  end function

  ! The field of waves, on n points a side.
  function to_points(flow, waves, n) result(field)
    type(flow_type), intent(in) :: flow
    complex(dp), intent(in) :: waves(0:flow%kmax, -flow%kmax:flow%kmax)
    integer, intent(in) :: n
    real(dp) :: field(n, n)
    complex(dp) :: doubled(0:flow%kmax, -flow%kmax:flow%kmax)
    ! the waves -kx are the conjugates of those at kx: their real parts count twice
    doubled = 2 * waves
    doubled(0, :) = waves(0, :)
    if (n == flow%points) then
      field = real(matmul(matmul(transpose(conjg(flow%east)), doubled), conjg(flow%north)), dp)
    else
      field = real(matmul(matmul(transpose(conjg(flow%east3)), doubled), conjg(flow%north3)), dp)
    end if
  end function

  ! psi of omega, in waves.
  function stream_function(flow, omega) result(psi)
    type(flow_type), intent(in) :: flow
    complex(dp), intent(in) :: omega(0:flow%kmax, -flow%kmax:flow%kmax)
    complex(dp) :: psi(0:flow%kmax, -flow%kmax:flow%kmax)
    psi = 0
    where (flow%square > 0) psi = -omega / flow%square
  end function

  ! -J(psi, omega), in waves.
  function advection(flow, omega) result(rate)
    type(flow_type), intent(in) :: flow
    complex(dp), intent(in) :: omega(0:flow%kmax, -flow%kmax:flow%kmax)
    complex(dp) :: rate(0:flow%kmax, -flow%kmax:flow%kmax), psi(0:flow%kmax, -flow%kmax:flow%kmax)
    complex(dp) :: flux_x(0:flow%kmax, -flow%kmax:flow%kmax), flux_y(0:flow%kmax, -flow%kmax:flow%kmax)
    real(dp), allocatable :: u(:, :), v(:, :), w(:, :)
    integer :: i, m, k
    k = flow%kmax
    m = flow%padded
    psi = stream_function(flow, omega)
    do i = -k, k
      flux_x(:, i) = (0, -1) * real(i, dp) * psi(:, i)
      flux_y(:, i) = (0, 1) * flow%kx * psi(:, i)
    end do
    u = to_points(flow, flux_x, m)
    v = to_points(flow, flux_y, m)
    w = to_points(flow, omega, m)
    flux_x = to_waves(flow, u * w)
    flux_y = to_waves(flow, v * w)
    do i = -k, k
      rate(:, i) = (0, -1) * (flow%kx * flux_x(:, i) + real(i, dp) * flux_y(:, i))
    end do
  end function

  ! One step, with a source that is held over it.
  subroutine flow_step(flow, omega, source)
    type(flow_type), intent(in) :: flow
    complex(dp), intent(inout) :: omega(0:flow%kmax, -flow%kmax:flow%kmax)
    complex(dp), intent(in) :: source(0:flow%kmax, -flow%kmax:flow%kmax)
    complex(dp), dimension(0:flow%kmax, -flow%kmax:flow%kmax) :: k1, k2, k3, k4
    real(dp) :: dt
    dt = flow%dt
    k1 = advection(flow, omega) + source
    k2 = advection(flow, flow%half * (omega + dt / 2 * k1)) + source
    k3 = advection(flow, flow%half * omega + dt / 2 * k2) + source
    k4 = advection(flow, flow%whole * omega + dt * flow%half * k3) + source
    omega = flow%whole * omega + dt / 6 * (flow%whole * k1 + 2 * flow%half * (k2 + k3) + k4)
  end subroutine

end module
