"""The solver of the vorticity equation against others on the same cores, its gradient, its memory and its digits.

    python benchmarks/physics.py [--only steps|gradient|digits] [--rounds 5] [--threads 2]

steps     one step at 256² and 512² beside jax-cfd (Crank–Nicolson and Runge–Kutta 4), exponax (ETDRK4) in float32, and pyqg
          (Adams–Bashforth 3) in float64; each in a process of its own, rounds alternate, the ratio to the fastest of a round
gradient  the gradient of 32 steps over their forward pass, and what is kept for it over the number of steps
digits    float32 against float64 after 1000 steps

Peers: `make flow-peers` (jax-cfd and exponax; pyqg needs a compiler and the constraints that the Makefile gives).
"""

import argparse
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from py4cast.physics.invariants import enstrophy
from py4cast.physics.spectral import SpectralGrid
from py4cast.physics.steppers import RungeKutta4
from py4cast.physics.vorticity import VorticityEquation
from py4cast.strategies.hybrid.objectives import segment_length

ROOT = Path(__file__).resolve().parent.parent
PEERS = {"jax-cfd": "flow_jax", "exponax": "flow_jax", "pyqg": "pyqg"}
RACES = {"py4cast rk4": ("jax-cfd", "exponax"), "py4cast ab3": ("pyqg",)}


def best_of(name: str, size: int, threads: int) -> float | None:
    """Seconds per step with one thread or several, whichever suits the solver."""
    found = [timed(name, size, count) for count in sorted({1, threads})]
    there = [seconds for seconds in found if seconds is not None]
    return min(there) if there else None


def timed(name: str, size: int, threads: int) -> float | None:
    """Seconds per step of a solver in a process of its own; None where it is not there."""
    environment = dict(os.environ)
    if name in PEERS:
        folder = ROOT / ".peers" / PEERS[name]
        if not folder.is_dir():
            return None
        environment["PYTHONPATH"] = str(folder)
    words = [sys.executable, str(ROOT / "benchmarks" / "peers" / "flow_peer.py"), name, str(size), str(threads)]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    return float(done.stdout) if done.returncode == 0 else None


def steps(rounds: int, threads: int) -> None:
    """Ratios to the fastest peer."""
    for size in (256, 512):
        for own, peers in RACES.items():
            found: dict[str, list[float]] = {name: [] for name in (own, *peers)}
            for _ in range(rounds):
                for name, times in found.items():
                    seconds = best_of(name, size, threads)
                    if seconds is not None:
                        times.append(seconds)
            there = {name: times for name, times in found.items() if len(times) == rounds}
            rivals = [name for name in there if name != own]
            shown = ", ".join(f"{name} {1e3 * statistics.median(times):.2f} ms" for name, times in there.items())
            if rivals:
                ratios = [there[own][i] / min(there[name][i] for name in rivals) for i in range(rounds)]
                shown += (
                    f"; {statistics.median(ratios):.2f} of the fastest peer ({min(ratios):.2f} to {max(ratios):.2f})"
                )
            print(f"step at {size}², {threads} threads: {shown}")


def eddies(grid: SpectralGrid, batch: int) -> Tensor:
    """Random eddies."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(batch, grid.size, grid.size, generator=generator, dtype=torch.float64).to(grid.dtype)
    modes = grid.modes(noise) * torch.exp(-((grid.square.sqrt() - 5) ** 2) / 8) * (grid.square > 0)
    return modes * (8 / enstrophy(grid, modes)).sqrt()[:, None, None]


def gradient(rounds: int) -> None:
    """Time of a checkpointed gradient over the forward pass, and numbers kept."""
    grid = SpectralGrid(64)
    stepper = RungeKutta4(VorticityEquation(grid, 1e-4, beta=1.0), 4e-3)
    factors = stepper.factors()
    start = grid.field(eddies(grid, 8))

    def segment(modes: Tensor, count: int) -> Tensor:
        for _ in range(count):
            modes = stepper.advance((modes,), factors)[0]
        return modes

    def run(field: Tensor, count: int) -> Tensor:
        modes, length = grid.modes(field), segment_length(count)
        for first in range(0, count, length):
            part = min(length, count - first)
            is_kept = first + part == count or not field.requires_grad  # the last one is gone through backwards at once
            modes = segment(modes, part) if is_kept else checkpoint(segment, modes, part, use_reentrant=False)
        return grid.field(modes).square().mean()

    ratios = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        with torch.no_grad():
            run(start, 32)
        forward = time.perf_counter() - began
        began = time.perf_counter()
        run(start.clone().requires_grad_(), 32).backward()
        ratios.append((time.perf_counter() - began) / forward)
    print(f"gradient of 32 steps at 64², batch of 8: {statistics.median(ratios[1:]):.2f} x the forward pass")
    for count in (8, 32, 128):
        # what is kept between segments, and what one of them keeps while it is gone through again
        length = segment_length(count)
        inside = peak(lambda field, steps: grid.field(segment(grid.modes(field), steps)).square().mean(), start, length)
        most = (peak(run, start, count) + inside) / 1e6
        print(f"  kept for {count:3d} steps: {most:6.1f} MB, per √steps {most / math.sqrt(count):.1f}")


def peak(run: object, start: Tensor, count: int) -> float:
    """Most bytes of saved tensors that are alive at once, in forward and backward pass."""
    alive, most = 0, 0

    def pack(tensor: Tensor) -> "Kept":
        return Kept(tensor)

    class Kept:
        def __init__(self, tensor: Tensor) -> None:
            nonlocal alive, most
            self.tensor, self.size = tensor, tensor.numel() * tensor.element_size()
            alive += self.size
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= self.size

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept.tensor):
        run(start.clone().requires_grad_(), count).backward()  # type: ignore[operator]
    return most


def digits() -> None:
    """How far single precision goes from double."""
    fields = []
    for dtype in (torch.float64, torch.float32):
        grid = SpectralGrid(128, "pad", dtype)
        state = eddies(SpectralGrid(128, "pad", torch.float64), 1).to(
            torch.complex64 if dtype == torch.float32 else torch.complex128
        )
        equation = VorticityEquation(grid, 1e-4, drag=0.02, beta=5.0)
        fields.append(grid.field(RungeKutta4(equation, 2e-3).run(state, 1000)).double())
    error = float((fields[1] - fields[0]).square().mean().sqrt() / fields[0].std())
    print(f"float32 against float64 after 1000 steps at 128² (two time units): {error:.1e} of the standard deviation")


def main() -> None:
    """Prints what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("steps", "gradient", "digits"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    if a.only in (None, "steps"):
        steps(a.rounds, a.threads)
    if a.only in (None, "gradient"):
        gradient(a.rounds)
    if a.only in (None, "digits"):
        digits()


if __name__ == "__main__":
    main()
