"""Skill for the same money: networks of ours and of neural-lam, each trained by its own program for as many CPU seconds.

    make peers; PY4CAST_TEST_DATA=DATA python benchmarks/skill.py --folder runs [--seconds 300] [--seeds 0 1 2]
    python benchmarks/skill.py --folder runs --networks graphlam graph_lam --seconds 150 --data ncep

era5_uk: hourly temperature at 2 m of ERA5 over the UK (33 x 49 cells, 21 days to learn from, 3 to choose by, 7 to test). ncep: six-hourly temperature
of NCEP's reanalysis over North America (25 x 53 cells, 337 days to learn from, 28 to choose by, 181 to test). Batches of 4, one thread, defaults
otherwise; truth in a frame of 2 cells. Ours takes as many whole epochs as fit the seconds, by the time
that one epoch takes; neural-lam stops after the batch that passes them. Validation counts, and chooses the epoch. What is told is the RMSE [K] by lead time over the
starts of the test days, of the median seed, and its ratio to neural-lam's best network. Every run is kept in the folder and
not made again.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PEER = ROOT / "benchmarks" / "peers" / "neural_lam_skill.py"
OURS = ("halfunet", "graphlam", "hilam")
THEIRS = {"graph_lam": "multiscale", "hi_lam": "hierarchical", "hi_lam_parallel": "hierarchical"}
# the sets of config/datasets and their variables
DATA = {"era5_uk": "t2m", "ncep": "air"}
STEPS = 12


def environment(*places: Path) -> dict[str, str]:
    paths = os.pathsep.join(str(p) for p in places)
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths, "PYTHONWARNINGS": "ignore"}


def peers() -> dict[str, str]:
    return environment(ROOT / ".peers" / "neural_lam", ROOT / ".peers" / "mllam")


def ours_here(data: str, model: str, seed: int, epochs: int, folder: Path) -> None:
    """Trains a network of ours in this process; writes the CPU seconds of the fit and where it lies."""
    import pytorch_lightning as pl
    import torch

    from py4cast.workflows.config import build_config
    from py4cast.workflows.train.run import train

    torch.set_num_threads(1)
    spent, real = [0.0], pl.Trainer.fit

    def fit(self: Any, *words: Any, **named: Any) -> None:
        began = time.process_time()
        real(self, *words, **named)
        spent[0] += time.process_time() - began

    pl.Trainer.fit = fit  # type: ignore[method-assign,assignment]
    settings = json.loads((ROOT / "config" / "datasets" / f"{data}.json").read_text())
    settings["root"] = os.environ["PY4CAST_TEST_DATA"]
    settings.pop("root_env", None)
    document = {
        "dataset": {"name": "gridded", "settings": settings}, "model": {"name": model},
        "train": {"epochs": epochs, "seed": seed, "no_log": True, "plots": [], "num_pred_steps_val_test": STEPS},
    }  # fmt: skip
    run = train(build_config(document, ()), run_name=f"{model}-{seed}-{epochs}")
    (folder / f"ours-{model}-{seed}-{epochs}.json").write_text(json.dumps({"cpu_s": spent[0], "run": str(run)}))


def ours(data: str, model: str, seed: int, seconds: float, folder: Path) -> dict[str, Any]:
    def trained(epochs: int) -> dict[str, Any]:
        told = folder / f"ours-{model}-{seed}-{epochs}.json"
        if not told.exists():
            words = [
                sys.executable,
                __file__,
                "--folder",
                str(folder.parent),
                "--data",
                data,
                "--here",
                model,
                str(seed),
                str(epochs),
            ]
            env = {**environment(ROOT), "PY4CAST_ROOTDIR": str(folder / "py4cast")}
            subprocess.run(words, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        result: dict[str, Any] = json.loads(told.read_text())
        return result

    epochs = max(1, int(seconds / trained(1)["cpu_s"]))
    told = trained(epochs)
    table = json.loads((Path(told["run"]) / "scores.json").read_text())
    return {"rmse": table["model"][DATA[data]]["rmse"], "persistence": table["persistence"][DATA[data]]["rmse"], "cpu_s": told["cpu_s"], "epochs": epochs}  # fmt: skip


def theirs(data: str, model: str, seed: int, seconds: float, folder: Path) -> dict[str, Any]:
    store = folder / "neural_lam"
    if not (store / "graph" / "hierarchical").exists():
        words = [sys.executable, str(PEER), "prepare", data, os.environ["PY4CAST_TEST_DATA"], str(store)]
        subprocess.run(words, env=peers(), check=True, capture_output=True)
    name = f"{model}-{seed}-{seconds:g}"
    spent, runs = folder / f"{name}.json", folder / "neural_lam_runs"
    if not spent.exists():
        words = [
            sys.executable, str(PEER), "train", str(seconds), str(spent), "--config_path", str(store / "config.yaml"), "--model", model, "--graph", THEIRS[model],
            "--seed", str(seed), "--num_workers", "0", "--num_sanity_val_steps", "0", "--logger_run_name", name,
        ]  # fmt: skip
        runs.mkdir(exist_ok=True)
        subprocess.run(words, env=peers(), check=True, cwd=runs, capture_output=True)
    # the epoch that its validation chose, as with ours
    (checkpoint,) = (path for path in runs.rglob("min_val_loss.ckpt") if name in path.parts)
    words = [sys.executable, str(PEER), "evaluate", str(checkpoint), str(store), "--steps", str(STEPS)]
    done = subprocess.run(words, env=peers(), check=True, capture_output=True, text=True, cwd=runs)
    return {**json.loads(done.stdout[done.stdout.index("{") :]), **json.loads(spent.read_text())}


def kept(folder: Path, name: str, make: Any) -> dict[str, Any]:
    path = folder / "results" / f"{name}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(make()))
    result: dict[str, Any] = json.loads(path.read_text())
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="what is made is kept here")
    parser.add_argument("--seconds", type=float, default=300.0, help="of CPU per training (default: 300)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the weights (default: 0 1 2)")
    parser.add_argument("--networks", nargs="+", choices=(*OURS, *THEIRS), default=[*OURS, *THEIRS], metavar="NAME", help=f"of {', '.join((*OURS, *THEIRS))} (default: all)")  # fmt: skip
    parser.add_argument("--data", choices=tuple(DATA), default="era5_uk", help="what is learnt (default: era5_uk)")
    parser.add_argument("--here", nargs=3, metavar=("MODEL", "SEED", "EPOCHS"), help="what the others call")
    a = parser.parse_args()
    if "PY4CAST_TEST_DATA" not in os.environ:
        parser.error("PY4CAST_TEST_DATA: not set; expected the folder whose series/ holds the files of config/datasets")
    folder = a.folder.absolute() / a.data
    folder.mkdir(parents=True, exist_ok=True)
    if a.here:
        ours_here(a.data, a.here[0], int(a.here[1]), int(a.here[2]), folder)
        return
    table: dict[str, list[list[float]]] = {}
    for seed in a.seeds:
        for name in a.networks:
            make = ours if name in OURS else theirs
            result = kept(
                folder,
                f"{name}-{seed}-{a.seconds:g}",
                lambda m=make, n=name, s=seed: m(a.data, n, s, a.seconds, folder),
            )
            table.setdefault(name, []).append(result["rmse"][:STEPS])
            table.setdefault("persistence", []).extend(
                [result["persistence"][:STEPS]] if "persistence" in result else []
            )
            print(
                f"{name:16s} seed {seed}: {result['cpu_s']:5.0f} s CPU, RMSE "
                + " ".join(f"{v:.3f}" for v in result["rmse"][:STEPS]),
                flush=True,
            )
    medians = {name: [statistics.median(v) for v in zip(*rows, strict=True)] for name, rows in table.items() if rows}
    best = [min(values) for values in zip(*(v for n, v in medians.items() if n in THEIRS), strict=True)]
    for name, values in medians.items():
        ratios = " ".join(f"{v / b:.2f}" for v, b in zip(values, best, strict=False))
        print(f"{name:16s} over neural-lam's best: {ratios}")


if __name__ == "__main__":
    main()
