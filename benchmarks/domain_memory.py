"""Memory and time of a training step whose samples two ranks compute together, over those of one rank with the whole grid.

    python benchmarks/domain_memory.py

One thread per rank, gloo on loopback. Every case is processes of their own; what is counted is the highest resident memory of a rank beyond
that before the step.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time

CASES = [("halfunet", {"num_filters": 32, "norm": "group"}, 1), ("halfunet", {"num_filters": 32, "norm": "group"}, 4),
         ("unet", {"init_features": 32, "norm": "group"}, 1), ("graphlam", {}, 1), ("hilam", {}, 1)]  # fmt: skip
SIZE, LIMIT, STEPS = 256, 0.6, 4


def measure(rank: int, folder: str, model: str, settings: dict, num_steps: int, size: int) -> None:
    """Prints memory [MB] and time [s] of a training step of this rank."""
    import torch

    from py4cast.forecaster import Forecaster
    from py4cast.losses import registry as losses
    from py4cast.models.split.group import ModelGroup
    from py4cast.testing import make_batch, make_info

    torch.set_num_threads(1)
    torch.manual_seed(0)
    group = None
    if size > 1:
        torch.distributed.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=size)
        group = ModelGroup.of_world(size)

    def steps(cells: int, count: int) -> tuple[float, list[float]]:
        info = make_info((cells, cells))
        forecaster = Forecaster.build(info, model, "scaled_ar", 2, settings).train()
        loss = losses.get("mse")(info)
        batch = make_batch(info, batch_size=1, num_pred_steps=num_steps)
        if group is not None:
            forecaster.network.split(group)
        before, seconds = _peak(), []
        for _ in range(count):
            begun = time.perf_counter()
            forecaster.training_loss(batch, loss).mean().backward()
            seconds.append(time.perf_counter() - begun)
        return _peak() - before, seconds

    steps(32, 1)  # what is loaded at the first step is no memory of the grid
    memory, seconds = steps(SIZE, STEPS)
    print(json.dumps([memory, statistics.median(seconds[1:])]))


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(case: tuple, size: int) -> tuple[float, float]:
    """The largest memory of a rank, and the longest time."""
    with tempfile.TemporaryDirectory() as folder:
        ranks = [
            subprocess.Popen(
                [sys.executable, __file__, json.dumps([rank, folder, *case, size])], stdout=subprocess.PIPE, text=True
            )
            for rank in range(size)
        ]
        told = [json.loads(rank.communicate()[0].splitlines()[-1]) for rank in ranks]
    return max(memory for memory, _ in told), max(seconds for _, seconds in told)


def main() -> None:
    for case in CASES:
        whole, part = run(case, 1), run(case, 2)
        print(
            f"{case[0]:9} {case[2]} steps: {whole[0]:6.0f} MB, {whole[1]:5.2f} s; a rank of two {part[0]:6.0f} MB, {part[1]:5.2f} s: "
            f"{part[0] / whole[0]:.2f} of the memory (limit {LIMIT}), {part[1] / whole[1]:.2f} of the time"
        )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(*json.loads(sys.argv[1]))
    else:
        main()
