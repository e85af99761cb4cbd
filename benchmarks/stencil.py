"""Skill of a linear 5 × 5 stencil, the rival that a network must beat, on the forecasts and cells of scores.json.

The stencil predicts the change of a cell as a linear function of all predicted variables in the 5 × 5
neighbourhood at the last `--states` instants, fitted by least squares on the training period and rolled out over
the test period. Its scores stand beside persistence and climatology in the same run; with --scores RUN/scores.json
a network's too.

    python benchmarks/stencil.py --dataset_conf config/datasets/era5_uk.json --root DIR --num_steps 12 --states 2
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from py4cast.datasets import get_datasets
from py4cast.metrics.batches import BatchVerification
from py4cast.workflows.verify.climatology import climatology_of

RADIUS = 2


class Stencil:
    """Creates the linear map and its rollout."""

    def __init__(self, train, states: int) -> None:
        self.info, self.states = train.info, states
        self.names = self.info.predicted
        self.mean = self.info.stats.to_list("mean", self.names, torch.float64).numpy()
        self.std = self.info.stats.to_list("std", self.names, torch.float64).numpy()
        self.valid = self.info.statics.valid_mask[..., 0].numpy()
        inside = self.info.statics.interior_mask[..., 0].bool().numpy() & self.valid
        size = 25 * len(self.names) * states + 1
        products, targets = np.zeros((size, size)), np.zeros((size, len(self.names)))
        for start in range(0, len(train), 16):
            batch = train.read_batch(list(range(start, min(start + 16, len(train)))))
            window = self.standardise(batch.inputs[self.names])[:, -states:]
            truth = (batch.outputs[self.names].tensor.numpy()[:, 0] - self.mean) / self.std
            used = inside[None] & np.isfinite(truth).all(-1)
            features, change = self.features(window)[used], (truth - window[:, -1])[used]
            products += features.T @ features
            targets += features.T @ change
        self.weights = np.linalg.lstsq(products, targets, rcond=None)[0]

    def standardise(self, field) -> np.ndarray:
        return np.nan_to_num((field.tensor.numpy().astype(np.float64) - self.mean) / self.std)

    def features(self, window: np.ndarray) -> np.ndarray:
        """`(n, states, lat, lon, v)` → `(n, lat, lon, 25·v·states + 1)`; edges are repeated, the globe is closed."""
        rows, columns = window.shape[2:4]
        sides = ((0, 0), (0, 0), (RADIUS, RADIUS), (0, 0))
        parts = []
        for state in np.moveaxis(window, 1, 0):
            wide = np.pad(state, sides, mode="wrap" if self.info.grid.is_periodic else "edge")
            wide = np.pad(wide, ((0, 0), (RADIUS, RADIUS), (0, 0), (0, 0)), mode="edge")
            shifts = range(2 * RADIUS + 1)
            parts += [wide[:, i : i + rows, j : j + columns] for i in shifts for j in shifts]
        return np.concatenate([*parts, np.ones((*parts[0].shape[:-1], 1))], -1)

    def forecast(self, batch, steps: int) -> torch.Tensor:
        window, found = self.standardise(batch.inputs[self.names])[:, -self.states :], []
        for _ in range(steps):
            state = (window[:, -1] + self.features(window) @ self.weights) * self.valid[..., None]
            found.append(state * self.std + self.mean)
            window = np.concatenate([window[:, 1:], state[:, None]], 1)
        return torch.from_numpy(np.stack(found, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset_conf", required=True)
    parser.add_argument("--root", required=True)
    parser.add_argument("--num_steps", type=int, default=5)
    parser.add_argument(
        "--num_input_steps", type=int, default=2, help="of the network: decides which forecasts there are"
    )
    parser.add_argument("--states", type=int, default=1, help="instants that the stencil sees")
    parser.add_argument("--scores", type=Path, help="scores.json of a network on the same dataset and lead times")
    a = parser.parse_args()
    train, _, test = get_datasets("gridded", a.num_input_steps, 1, a.num_steps, a.dataset_conf, [f"root={a.root}"])
    stencil = Stencil(train, a.states)
    verification = BatchVerification(train.info, climatology_of(train))
    for start in range(0, len(test), 8):
        batch = test.read_batch(list(range(start, min(start + 8, len(test)))))
        verification.update(batch, stencil.forecast(batch, a.num_steps))
    scores = verification.scores().to_dict()
    systems = {"stencil": scores["model"], "persistence": scores["persistence"], "climatology": scores["climatology"]}
    if a.scores:
        systems["network"] = json.loads(a.scores.read_text())["model"]
    for variable, units in scores["units"].items():
        print(f"{variable} [{units}], RMSE of {scores['num_forecasts']} forecasts at {scores['lead_times_h']} h")
        for name, found in systems.items():
            values = found[variable]["rmse"]
            gain = [100 * (1 - v / p) for v, p in zip(values, systems["persistence"][variable]["rmse"], strict=True)]
            print(
                f"  {name:<12}",
                " ".join(f"{v:9.4g}" for v in values),
                "  gain on persistence",
                " ".join(f"{g:.1f}" for g in gain),
                "%",
            )


if __name__ == "__main__":
    main()
