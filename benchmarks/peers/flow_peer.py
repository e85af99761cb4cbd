"""Times one solver of the vorticity equation in a process of its own: `flow_peer.py NAME N THREADS`; prints seconds per step.

Every solver steps the same flow (random eddies on [0, 2π)², ν = 1e-4, products cut to two thirds of the waves). The
fastest of its batches of steps counts, after compiling.
"""

import os
import sys
import time
from collections.abc import Callable

NAME, SIZE, THREADS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.environ["OMP_NUM_THREADS"] = str(THREADS)
if THREADS == 1:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[0]})

import numpy as np

STEP, VISCOSITY = 0.25 / SIZE, 1e-4


def start() -> np.ndarray:
    """Random eddies."""
    rng = np.random.default_rng(0)
    k = np.fft.fftfreq(SIZE, 1 / SIZE)
    square = k[:, None] ** 2 + k[None, : SIZE // 2 + 1] ** 2
    waves = np.fft.rfft2(rng.normal(size=(SIZE, SIZE))) * np.exp(-((np.sqrt(square) - 5) ** 2) / 8)
    field = np.fft.irfft2(waves)
    return field / field.std() * 4


def best(run: Callable[[int], object], steps: int) -> float:
    """Seconds per step, the fastest of several batches."""
    run(steps)
    found = []
    for _ in range(7):
        began = time.perf_counter()
        run(steps)
        found.append((time.perf_counter() - began) / steps)
    return min(found)


def py4cast(stepper_name: str, dtype_name: str) -> Callable[[int], object]:
    """This library."""
    import torch

    from py4cast.physics.spectral import SpectralGrid
    from py4cast.physics.steppers import STEPPERS
    from py4cast.physics.vorticity import VorticityEquation

    torch.set_num_threads(THREADS)
    grid = SpectralGrid(SIZE, "truncate", getattr(torch, dtype_name))
    stepper = STEPPERS[stepper_name](VorticityEquation(grid, VISCOSITY), STEP)
    factors = stepper.factors()
    carry = [(grid.modes(torch.from_numpy(start()).to(grid.dtype)),)]

    def run(steps: int) -> None:
        with torch.inference_mode():
            for _ in range(steps):
                carry[0] = stepper.advance(carry[0], factors)

    return run


def jax_cfd() -> Callable[[int], object]:
    """jax-cfd: Crank–Nicolson with Runge–Kutta of order 4, in one compiled loop."""
    import jax
    import jax.numpy as jnp
    import jax_cfd.base as cfd
    import jax_cfd.spectral as spectral

    grid = cfd.grids.Grid((SIZE, SIZE), domain=((0, 2 * np.pi), (0, 2 * np.pi)))
    equation = spectral.equations.NavierStokes2D(VISCOSITY, grid, smooth=False)
    step = spectral.time_stepping.crank_nicolson_rk4(equation, STEP)
    state = [jnp.fft.rfftn(jnp.asarray(start(), jnp.float32))]
    compiled = jax.jit(lambda s, n: jax.lax.fori_loop(0, n, lambda _, v: step(v), s))

    def run(steps: int) -> None:
        state[0] = compiled(state[0], steps).block_until_ready()

    return run


def exponax() -> Callable[[int], object]:
    """exponax: exponential time differencing of order 4, in one compiled loop."""
    import exponax as ex
    import jax
    import jax.numpy as jnp

    stepper = ex.stepper.NavierStokesVorticity(2, 2 * np.pi, SIZE, STEP, diffusivity=VISCOSITY, order=4)
    state = [jnp.fft.rfftn(jnp.asarray(start(), jnp.float32)[None], axes=(1, 2))]
    compiled = jax.jit(lambda s, n: jax.lax.fori_loop(0, n, lambda _, v: stepper.step_fourier(v), s))

    def run(steps: int) -> None:
        state[0] = compiled(state[0], steps).block_until_ready()

    return run


def pyqg() -> Callable[[int], object]:
    """pyqg: Adams–Bashforth of order 3 in double precision, on FFTW."""
    import logging

    logging.disable(logging.INFO)
    from pyqg import BTModel

    model = BTModel(nx=SIZE, L=2 * np.pi, beta=0.0, rd=0.0, rek=0.0, dt=STEP, tmax=1e9, ntd=THREADS, log_level=0)
    model.set_q(start()[None])

    def run(steps: int) -> None:
        for _ in range(steps):
            model._step_forward()

    return run


SOLVERS = {
    "py4cast rk4": lambda: py4cast("rk4", "float32"),
    "py4cast ab3": lambda: py4cast("ab3", "float64"),
    "jax-cfd": jax_cfd,
    "exponax": exponax,
    "pyqg": pyqg,
}

if __name__ == "__main__":
    sys.stdout.write(f"{best(SOLVERS[NAME](), 20 if SIZE > 256 else 60):.9f}\n")
