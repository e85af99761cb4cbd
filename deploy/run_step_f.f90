! A forecast in Fortran: run_step_f STEP.onnx NUM_STEPS STATE FORCING BORDER FORECAST [SEED START MEMBER], as run_step.c has it.
program run_step_f
  use, intrinsic :: iso_c_binding, only: c_float, c_long_long
  use, intrinsic :: iso_fortran_env, only: error_unit
  use py4cast_step
  implicit none
  type(step_type) :: step
  real(c_float), allocatable :: state(:, :, :, :), forcing(:, :, :, :), border(:, :, :, :), predicted(:, :, :)
  character(len=4096) :: words(9)
  logical :: ok, has_forcing, has_border
  integer :: i, num_steps, out, member, num_words
  integer(c_long_long) :: seed, start

  num_words = command_argument_count()
  if (num_words /= 6 .and. num_words /= 9) &
    call stop_with(2, 'usage: run_step_f STEP.onnx NUM_STEPS STATE FORCING BORDER FORECAST [SEED START MEMBER]')
  do i = 1, num_words
    call get_command_argument(i, words(i))
  end do
  read (words(2), *) num_steps
  call step_open(step, words(1), ok)
  if (.not. ok) call stop_with(3, trim(words(1))//': '//step_error())
  if (num_words == 9) then
    read (words(7), *) seed
    read (words(8), *) start
    read (words(9), *) member
    call step_begin_member(step, seed, start, member)
  end if
  associate (s => step%sizes)
    has_forcing = s%num_forcing > 0
    has_border = words(5) /= '-'
    allocate (state(s%num_prognostic, s%columns, s%rows, s%num_input_steps))
    allocate (forcing(s%num_forcing, s%columns, s%rows, num_steps))
    allocate (border(s%num_prognostic, s%columns, s%rows, num_steps))
    allocate (predicted(s%num_predicted, s%columns, s%rows))
  end associate
  call read_file(words(3), state)
  if (has_forcing) call read_file(words(4), forcing)
  if (has_border) call read_file(words(5), border)
  open (newunit=out, file=trim(words(6)), access='stream', form='unformatted', status='replace', action='write')
  do i = 1, num_steps
    if (has_forcing .and. has_border) then
      call step_advance(step, state, predicted, ok, forcing=forcing(:, :, :, i), border=border(:, :, :, i))
    else if (has_forcing) then
      call step_advance(step, state, predicted, ok, forcing=forcing(:, :, :, i))
    else if (has_border) then
      call step_advance(step, state, predicted, ok, border=border(:, :, :, i))
    else
      call step_advance(step, state, predicted, ok)
    end if
    if (.not. ok) call stop_with(4, step_error())
    write (out) predicted
  end do
  close (out)
  call step_close(step)

contains

  subroutine read_file(path, values)
    character(len=*), intent(in) :: path
    real(c_float), intent(out) :: values(:, :, :, :)
    integer :: unit, status
    open (newunit=unit, file=trim(path), access='stream', form='unformatted', status='old', action='read', iostat=status)
    if (status == 0) read (unit, iostat=status) values
    if (status /= 0) call stop_with(3, trim(path)//': cannot be read, or holds too few numbers')
    close (unit)
  end subroutine

  subroutine stop_with(status, text)
    integer, intent(in) :: status
    character(len=*), intent(in) :: text
    write (error_unit, '(a)') 'run_step_f: '//text
    stop status, quiet=.true.
  end subroutine

end program
