! A solver in Fortran whose subgrid term is a network of py4cast (py4cast export --rate):
!     run_closure_f CLOSURE.onnx FLOW.nml STATE FORCING FORECAST
! FLOW.nml says the parameters of the flow; STATE is the vorticity [s-1] (lat, lon), FORCING that of every step [s-2], - for
! none; FORECAST gets the vorticity after every step. All files are bare float32.
program run_closure_f
  use, intrinsic :: iso_c_binding, only: c_float
  use, intrinsic :: iso_fortran_env, only: error_unit, real64
  use py4cast_step
  use spectral_flow
  implicit none
  integer, parameter :: dp = real64
  type(step_type) :: step
  type(flow_type) :: flow
  integer :: num_steps = 1, num_substeps = 1, viscosity_order = 1
  real(dp) :: step_s = 0, viscosity = 0, drag = 0, beta = 0, time_unit = 1, length = 1
  logical :: gives_stream_function = .false.
  namelist /parameters/ num_steps, num_substeps, viscosity_order, step_s, viscosity, drag, beta, time_unit, length, &
    gives_stream_function
  character(len=4096) :: words(5)
  real(c_float), allocatable :: state(:, :, :, :), given(:, :, :), rate(:, :, :), wind(:, :)
  complex(dp), allocatable :: omega(:, :), source(:, :)
  logical :: ok, has_wind
  integer :: i, j, n, unit, wind_unit, out, status
  real(dp) :: unit_length

  if (command_argument_count() /= 5) call stop_with(2, 'usage: run_closure_f CLOSURE.onnx FLOW.nml STATE FORCING FORECAST')
  do i = 1, 5
    call get_command_argument(i, words(i))
  end do
  open (newunit=unit, file=trim(words(2)), status='old', action='read', iostat=status)
  if (status == 0) read (unit, nml=parameters, iostat=status)
  if (status /= 0) call stop_with(2, trim(words(2))//': no namelist /parameters/ as this program knows it')
  close (unit)
  call step_open(step, words(1), ok)
  if (.not. ok) call stop_with(3, trim(words(1))//': '//step_error())
  n = step%sizes%columns
  has_wind = words(4) /= '-'
  if (step%sizes%rows /= n .or. step%sizes%num_prognostic /= 1 .or. step%sizes%num_input_steps /= 1) &
    call stop_with(3, trim(words(1))//': expected the rate of one field on a square, from one state')
  if (step%sizes%num_forcing /= count([gives_stream_function])) &
    call stop_with(3, trim(words(1))//': takes other forcings than this program gives')
  allocate (state(1, n, n, 1), rate(1, n, n), given(max(1, step%sizes%num_forcing), n, n), wind(n, n))
  call read_state()
  if (has_wind) open (newunit=wind_unit, file=trim(words(4)), access='stream', form='unformatted', status='old', &
    action='read', iostat=status)
  if (status /= 0) call stop_with(3, trim(words(4))//': cannot be read')
  unit_length = length / (2 * acos(-1.0_dp))
  call flow_create(flow, n, step_s / num_substeps / time_unit, viscosity, viscosity_order, drag, beta)
  allocate (omega(0:flow%kmax, -flow%kmax:flow%kmax), source(0:flow%kmax, -flow%kmax:flow%kmax))
  omega = to_waves(flow, real(state(1, :, :, 1), dp) * time_unit)
  open (newunit=out, file=trim(words(5)), access='stream', form='unformatted', status='replace', action='write')
  do i = 1, num_steps
    call add_forcings()
    if (gives_stream_function) then
      call step_rate(step, state, rate, ok, forcing=given)
    else
      call step_rate(step, state, rate, ok)
    end if
    if (.not. ok) call stop_with(4, step_error())
    source = to_waves(flow, (real(rate(1, :, :), dp) + real(wind, dp)) * time_unit**2)
    do j = 1, num_substeps
      call flow_step(flow, omega, source)
    end do
    state(1, :, :, 1) = real(to_points(flow, omega, n) / time_unit, c_float)
    if (.not. all(abs(state) <= huge(state))) call stop_with(4, 'the flow is no longer finite')
    write (out) state(1, :, :, 1)
  end do
  close (out)
  call step_close(step)

contains

  ! The wind of the step, which is the solver's; and what the network is given beside the state: the stream function [m2 s-1].
  subroutine add_forcings()
    wind = 0
    if (has_wind) then
      read (wind_unit, iostat=status) wind
      if (status /= 0) call stop_with(3, trim(words(4))//': holds too few numbers')
    end if
    if (gives_stream_function) given(1, :, :) = &
      real(to_points(flow, stream_function(flow, omega), n) * (unit_length**2 / time_unit), c_float)
  end subroutine

  subroutine read_state()
    open (newunit=unit, file=trim(words(3)), access='stream', form='unformatted', status='old', action='read', iostat=status)
    if (status == 0) read (unit, iostat=status) state
    if (status /= 0) call stop_with(3, trim(words(3))//': cannot be read, or holds too few numbers')
    close (unit)
  end subroutine

  subroutine stop_with(status, text)
    integer, intent(in) :: status
    character(len=*), intent(in) :: text
    write (error_unit, '(a)') 'run_closure_f: '//text
    stop status, quiet=.true.
  end subroutine

end program
