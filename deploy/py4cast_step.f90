! A step exported by py4cast, in Fortran: py4cast_step.h through bind(C).
!
! Arrays are real(c_float) in Fortran order, features first: state(features, lon, lat, timestep), fields(features, lon, lat).
module py4cast_step
  use, intrinsic :: iso_c_binding, only: c_associated, c_char, c_f_pointer, c_float, c_int, c_loc, c_long_long, &
    c_null_char, c_null_ptr, c_ptr
  implicit none
  private
  public :: step_type, sizes_type, step_open, step_advance, step_rate, step_begin_member, step_close, step_error

  type, bind(C) :: sizes_type
    integer(c_int) :: num_input_steps, rows, columns, num_prognostic, num_forcing, num_predicted, takes_border, num_noise
  end type

  type :: step_type
    type(c_ptr) :: handle = c_null_ptr
    type(sizes_type) :: sizes
  end type

  interface
    function p4c_open(path, num_threads) bind(C) result(handle)
      import :: c_ptr, c_char, c_int
      character(kind=c_char), intent(in) :: path(*)
      integer(c_int), value :: num_threads
      type(c_ptr) :: handle
    end function
    subroutine p4c_get_sizes(handle, sizes) bind(C)
      import :: c_ptr, sizes_type
      type(c_ptr), value :: handle
      type(sizes_type), intent(out) :: sizes
    end subroutine
    function p4c_advance(handle, state, forcing, border, predicted) bind(C) result(failed)
      import :: c_ptr, c_int
      type(c_ptr), value :: handle, state, forcing, border, predicted
      integer(c_int) :: failed
    end function
    function p4c_rate(handle, state, forcing, rate) bind(C) result(failed)
      import :: c_ptr, c_int
      type(c_ptr), value :: handle, state, forcing, rate
      integer(c_int) :: failed
    end function
    subroutine p4c_begin_member(handle, seed, start, member) bind(C)
      import :: c_ptr, c_int, c_long_long
      type(c_ptr), value :: handle
      integer(c_long_long), value :: seed, start
      integer(c_int), value :: member
    end subroutine
    subroutine p4c_close(handle) bind(C)
      import :: c_ptr
      type(c_ptr), value :: handle
    end subroutine
    function p4c_error() bind(C) result(text)
      import :: c_ptr
      type(c_ptr) :: text
    end function
  end interface

contains

  ! Opens a file; ok tells whether that went well.
  subroutine step_open(step, path, ok)
    type(step_type), intent(out) :: step
    character(len=*), intent(in) :: path
    logical, intent(out) :: ok
    step%handle = p4c_open(trim(path)//c_null_char, 0_c_int)
    ok = c_associated(step%handle)
    if (ok) call p4c_get_sizes(step%handle, step%sizes)
  end subroutine

  ! Predicts the next state and moves the past ones on; forcing and border of the step where there are.
  subroutine step_advance(step, state, predicted, ok, forcing, border)
    type(step_type), intent(in) :: step
    real(c_float), intent(inout), contiguous, target :: state(:, :, :, :)
    real(c_float), intent(out), contiguous, target :: predicted(:, :, :)
    logical, intent(out) :: ok
    real(c_float), intent(in), contiguous, target, optional :: forcing(:, :, :), border(:, :, :)
    type(c_ptr) :: at_forcing, at_border
    at_forcing = c_null_ptr
    at_border = c_null_ptr
    if (present(forcing)) at_forcing = c_loc(forcing)
    if (present(border)) at_border = c_loc(border)
    ok = p4c_advance(step%handle, c_loc(state), at_forcing, at_border, c_loc(predicted)) == 0
  end subroutine

  ! What the network of a hybrid gives to a solver: the rate of a state, which stays as it is.
  subroutine step_rate(step, state, rate, ok, forcing)
    type(step_type), intent(in) :: step
    real(c_float), intent(in), contiguous, target :: state(:, :, :, :)
    real(c_float), intent(out), contiguous, target :: rate(:, :, :)
    logical, intent(out) :: ok
    real(c_float), intent(in), contiguous, target, optional :: forcing(:, :, :)
    type(c_ptr) :: at_forcing
    at_forcing = c_null_ptr
    if (present(forcing)) at_forcing = c_loc(forcing)
    ok = p4c_rate(step%handle, c_loc(state), at_forcing, c_loc(rate)) == 0
  end subroutine

  ! Says which member is forecast from now on, of the forecast that starts so many seconds after 1970-01-01T00 UTC.
  subroutine step_begin_member(step, seed, start, member)
    type(step_type), intent(in) :: step
    integer(c_long_long), intent(in) :: seed, start
    integer, intent(in) :: member
    call p4c_begin_member(step%handle, seed, start, int(member, c_int))
  end subroutine

  subroutine step_close(step)
    type(step_type), intent(inout) :: step
    call p4c_close(step%handle)
    step%handle = c_null_ptr
  end subroutine

  ! What went wrong last.
  function step_error() result(text)
    character(len=:), allocatable :: text
    character(kind=c_char), pointer :: letters(:)
    integer :: i
    call c_f_pointer(p4c_error(), letters, [512])
    text = ''
    do i = 1, size(letters)
      if (letters(i) == c_null_char) exit
      text = text//letters(i)
    end do
  end function

end module
