"""Which defaults of a training are best: one setting at a time, judged by the validation periods of real sets.

    PY4CAST_TEST_DATA=DATA python benchmarks/defaults.py --folder tuned [--networks halfunet] [--seeds 0 1]

config/experiments/defaults.json names the sets, the networks and the values of each setting, the default first; each network on each set
is a sweep (`"search": "each"`). A value is worth exp⟨log(RMSE / RMSE of the default)⟩ over variables, lead times and seeds, at the epoch
that the validation chose; what the default's seeds are apart, told so too, is chance. A default should change where another value
gains more than chance on two of three sets and loses as much on none. Trainings are kept in the folder and not made again.
"""

import argparse
import csv
import json
import math
import os
import statistics
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
Scores = dict[str, float]


def sweep_of(document: Mapping[str, Any], data: str, network: str, seeds: list[int]) -> dict[str, Any]:
    """The sweep of a network on a set."""
    settings = json.loads((ROOT / "config" / "datasets" / f"{data}.json").read_text())
    settings["root"] = os.environ[settings.pop("root_env")]
    train = {**document["train"], **document["sets"][data], "no_log": True, "plots": []}
    base = {
        "dataset": {"name": "gridded", "settings": settings},
        "model": {"name": network, "settings": document["networks"][network]},
        "train": train,
        "scores": {"metrics": ["rmse"]},
    }
    return {"base": base, "space": document["space"], "search": "each", "seeds": seeds, "objective": document["objectives"][data]}  # fmt: skip


def scores_of(run: Path, epoch: int) -> Scores:
    """RMSE by variable and lead time at an epoch of a run's validation."""
    with (run / "metrics.csv").open(newline="") as stream:
        rows = [r for r in csv.DictReader(stream) if r["name"].startswith("val_rmse/") and int(r["epoch"]) == epoch]
    return {row["name"]: float(row["value"]) for row in rows}


def log_ratio(scores: Scores, reference: Scores) -> float:
    """⟨log(RMSE / RMSE of the reference)⟩ over what both score."""
    return statistics.fmean(math.log(scores[name] / reference[name]) for name in reference if name in scores)


def trials_of(folder: Path, seeds: Iterable[int]) -> dict[str, dict[int, Scores]]:
    """Scores of a sweep by its values, as JSON, and seed."""
    table: dict[str, dict[int, Scores]] = {}
    for path in sorted((folder / "trials").glob("*.json")):
        row = json.loads(path.read_text())
        if row["state"] == "done" and row["seed"] in seeds:
            key = json.dumps(row["values"], sort_keys=True)
            table.setdefault(key, {})[row["seed"]] = scores_of(Path(row["run"]), row["epoch"])
    return table


def worth(trials: Mapping[str, Mapping[int, Scores]], space: Mapping[str, list[Any]]) -> tuple[dict[tuple[str, str], float], float]:  # fmt: skip
    """RMSE over that of the default by setting and value, and the same of the default's seeds against their mean."""
    first = {place: values[0] for place, values in space.items()}
    default = trials[json.dumps(first, sort_keys=True)]
    names = next(iter(default.values()))
    mean = {n: math.exp(statistics.fmean(math.log(scores[n]) for scores in default.values())) for n in names}
    chance = math.exp(statistics.pstdev([log_ratio(scores, mean) for scores in default.values()]))
    table = {}
    for place, values in space.items():
        for value in values[1:]:
            by_seed = trials.get(json.dumps({**first, place: value}, sort_keys=True), {})
            if by_seed:
                ratios = [log_ratio(scores, default[seed]) for seed, scores in by_seed.items() if seed in default]
                table[place, json.dumps(value)] = math.exp(statistics.fmean(ratios))
    return table, chance


def tell(network: str, worths: Mapping[str, tuple[dict[tuple[str, str], float], float]]) -> None:
    """A table of a network, and what should change."""
    sets = list(worths)
    print(f"\n| {network} | " + " | ".join(sets) + " | |\n|" + "---|" * (len(sets) + 2))
    print("| seeds of the default apart by | " + " | ".join(f"{worths[s][1]:.3f}" for s in sets) + " | |")
    for key in worths[sets[0]][0]:
        ratios = {s: worths[s][0][key] for s in sets if key in worths[s][0]}
        gains = sum(ratio < 1 / worths[s][1] for s, ratio in ratios.items())
        losses = sum(ratio > worths[s][1] for s, ratio in ratios.items())
        verdict = "better" if gains >= 2 and not losses else ""
        cells = (f"{ratios[s]:.3f}" if s in ratios else "" for s in sets)
        print(f"| {key[0]} {key[1]} | " + " | ".join(cells) + f" | {verdict} |", flush=True)


def main() -> None:
    document = json.loads((ROOT / "config" / "experiments" / "defaults.json").read_text())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="what is made is kept here")
    parser.add_argument("--networks", nargs="+", choices=tuple(document["networks"]), default=["halfunet"], metavar="NAME", help=f"of {', '.join(document['networks'])} (default: halfunet)")  # fmt: skip
    parser.add_argument("--sets", nargs="+", choices=tuple(document["sets"]), default=list(document["sets"]), metavar="NAME", help="of the file (default: all)")  # fmt: skip
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="of the weights (default: 0 1)")
    a = parser.parse_args()
    if "PY4CAST_TEST_DATA" not in os.environ:
        parser.error("PY4CAST_TEST_DATA: not set; expected the folder whose series/ holds the files of config/datasets")
    from py4cast.workflows.sweep.run import sweep

    a.folder.mkdir(parents=True, exist_ok=True)
    for network in a.networks:
        worths = {}
        for data in a.sets:
            path = a.folder / f"{network}-{data}.json"
            path.write_text(json.dumps(sweep_of(document, data, network, a.seeds)))
            sweep(path, path.with_suffix(""))
            worths[data] = worth(trials_of(path.with_suffix(""), a.seeds), document["space"])
        tell(network, worths)


if __name__ == "__main__":
    main()
