"""Memory of a training step over long rollouts, with and without `--checkpoint_rollout`, over that of one step.

    python benchmarks/rollout_memory.py

Every case is a process of its own; what is counted is the highest resident memory beyond that before the step.
"""

import json
import resource
import subprocess
import sys
import time

CASES = [("halfunet", {"num_filters": 32, "norm": "group"}), ("graphlam", {})]
SIZE, LIMIT = 128, 1.6


def measure(model: str, settings: dict, num_steps: int, is_recomputed: bool) -> tuple[float, float]:
    """Memory [MB] and time [s] of one training step."""
    import torch

    from py4cast.forecaster import Forecaster
    from py4cast.losses import registry as losses
    from py4cast.testing import make_batch, make_info

    torch.manual_seed(0)
    info = make_info((SIZE, SIZE))
    forecaster = Forecaster.build(info, model, "scaled_ar", 2, settings, use_checkpoint=is_recomputed).train()
    loss = losses.get("mse")(info)
    batch = make_batch(info, batch_size=1, num_pred_steps=num_steps)
    before = _peak()
    begun = time.perf_counter()
    forecaster.training_loss(batch, loss).mean().backward()
    return _peak() - before, time.perf_counter() - begun


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    for model, settings in CASES:
        one = None
        for num_steps, is_recomputed in ((1, False), (12, False), (1, True), (12, True)):
            words = json.dumps([model, settings, num_steps, is_recomputed])
            done = subprocess.run([sys.executable, __file__, words], capture_output=True, text=True, check=True)
            memory, seconds = json.loads(done.stdout.splitlines()[-1])
            one = one or memory
            told = "recomputed" if is_recomputed else "kept"
            print(
                f"{model:9} {num_steps:3} steps, {told:10} {memory:7.0f} MB {memory / one:6.2f} of one step {seconds:6.1f} s"
            )
        print(f"{'':9} limit for 12 steps {LIMIT}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(*json.loads(sys.argv[1]))))
    else:
        main()
