"""What members cost in training: a step of an ensemble against deterministic steps of the same network, turn by turn.

    python benchmarks/members.py                 # about 5 minutes on 2 cores
    python benchmarks/members.py --rounds 5 --size 64

crps    a CRPS step of 4 members, batch 4, against four deterministic steps (mse) of batch 4
joint   the same with the terms for the joint law, differences between neighbours and means over boxes
memory  what a step keeps for its backward pass, per member, from 2 to 8 members
calls   a member and step of diffusion and flow_matching, in calls of the network

Times are CPU seconds on one thread; a ratio is taken within each pair of turns, and the median of ratios is printed.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import torch

from py4cast.forecaster import Forecaster
from py4cast.losses import registry as losses
from py4cast.testing import make_batch, make_info

warnings.filterwarnings("ignore")
MODEL = {"num_filters": 32, "norm": "group"}


def step_of(strategy: str, loss: str, size: int, settings: dict[str, object] | None = None) -> Callable[[], None]:
    """One training step: forward, backward, optimiser."""
    info = make_info((size, size))
    torch.manual_seed(0)
    forecaster = Forecaster.build(info, "halfunet", strategy, 2, MODEL, settings).train()
    batch, loss_of = make_batch(info, batch_size=4, num_pred_steps=1), losses.get(loss)(info)
    optimizer = torch.optim.AdamW(forecaster.parameters())

    def step() -> None:
        optimizer.zero_grad()
        forecaster.training_loss(batch, loss_of, seed=0).mean().backward()
        optimizer.step()

    return step


def kept_bytes(num_members: int, size: int) -> int:
    """What autograd keeps of a step."""
    info = make_info((size, size))
    forecaster = Forecaster.build(info, "halfunet", "ensemble", 2, MODEL, {"num_members": num_members}).train()
    batch, loss_of, total = make_batch(info, batch_size=4, num_pred_steps=1), losses.get("sum")(info), 0
    seen: set[int] = set()

    def pack(x: torch.Tensor) -> torch.Tensor:
        nonlocal total
        if x.untyped_storage().data_ptr() not in seen:
            seen.add(x.untyped_storage().data_ptr())
            total += x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        forecaster.training_loss(batch, loss_of, seed=0)
    return total


def seconds(step: Callable[[], None]) -> float:
    began = time.process_time()
    step()
    return time.process_time() - began


def ratio(ours: Callable[[], None], theirs: Callable[[], None], rounds: int) -> tuple[float, float, float]:
    """Median, smallest and largest ratio of pairs of turns."""
    for step in (ours, theirs):
        step()
    ratios = [seconds(ours) / seconds(theirs) for _ in range(rounds)]
    return statistics.median(ratios), min(ratios), max(ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--size", type=int, default=64, help="cells along each side")
    a = parser.parse_args()
    torch.set_num_threads(1)
    mean = step_of("scaled_ar", "mse", a.size)

    def four() -> None:
        for _ in range(4):
            mean()

    cases = {"crps": ("vector", "crps", 1.1), "joint": ("cells", "sum", 1.25)}
    for name, (noise, loss, wanted) in cases.items():
        settings = {"noise": noise, "num_members": 4}
        middle, low, high = ratio(step_of("ensemble", loss, a.size, settings), four, a.rounds)
        print(f"{name:8} {middle:.2f} of four deterministic steps ({low:.2f} to {high:.2f}); wanted {wanted}")
    memory = {m: kept_bytes(m, a.size) / 1e6 for m in (2, 4, 8)}
    slope = (memory[8] - memory[2]) / 6
    print(f"memory   {', '.join(f'{m} members {x:.0f} MB' for m, x in memory.items())}; {slope:.1f} MB a member")
    info = make_info((a.size, a.size))
    for strategy in ("diffusion", "flow_matching"):
        model, calls = Forecaster.build(info, "halfunet", strategy, 2, MODEL).eval(), 0

        def count(*_: object) -> None:
            nonlocal calls
            calls += 1

        model.network.register_forward_hook(count)
        model.forecast(make_batch(info, batch_size=1), 1, 1)
        print(f"calls    {strategy}: {calls} calls of the network a member and step")


if __name__ == "__main__":
    main()
