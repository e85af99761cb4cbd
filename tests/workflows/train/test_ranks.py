"""Several processes of one job: they share data, weights, scores and one run folder."""

import contextlib
import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from py4cast.errors import SettingsError
from py4cast.optim import OptimSettings
from py4cast.workflows.config import TrainSettings
from py4cast.workflows.train.run import _loaders
from tests.command import py4cast
from tests.conftest import ROOT
from tests.datasets.test_loader import Numbers
from tests.test_callbacks import TINY


def two_ranks(root: Path, script: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """What two ranks of a script printed when they are done; their runs are under `root`."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", str(script), *words]
    environment = {**os.environ, "PY4CAST_ROOTDIR": str(root), "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.slow
def test_two_ranks_make_one_run(tmp_path: Path) -> None:
    words = ["--epochs", "2", "--no_log", "--run_name", "ranks", "--num_pred_steps_val_test", "2"]
    for place in TINY:
        words += ["--set", place]
    done = two_ranks(tmp_path, ROOT / "bin" / "train.py", *words)
    assert done.returncode == 0, done.stderr[-3000:]
    folder = tmp_path / "logs" / "default" / "dummy" / "halfunet" / "ranks"
    assert done.stdout.count(str(folder)) == 1, "one rank speaks"
    scores = json.loads((folder / "scores.json").read_text())
    assert scores["num_forecasts"] == 5, (
        "the test period holds 8 instants, so 5 forecasts of 2 steps; no rank repeats one"
    )
    alone = py4cast(
        "verify",
        "--forecaster",
        str(folder / "forecaster.safetensors"),
        "--num_steps",
        "2",
        "--output",
        str(tmp_path / "v"),
    )
    assert alone.returncode == 0, alone.stderr
    found = json.loads((tmp_path / "v" / "scores.json").read_text())
    for name, metrics in scores["model"].items():
        for metric in {"rmse", "wind_rmse"} & set(metrics):
            assert found["model"][name][metric] == pytest.approx(metrics[metric], rel=1e-5)
    # 25 samples in batches of 4: six whole batches, three for each rank, twice
    assert torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["py4cast"]["batches_done"] == 6


def words_of(**settings: object) -> list[str]:
    """A small training with 11 validation samples, which two ranks share unevenly."""
    places = {"dataset.size": 16, "dataset.num_train": 26, "dataset.num_valid": 13, "dataset.num_test": 9,
              "dataset.border_size": 2, "model.num_filters": 4, "model.norm": "group"}  # fmt: skip
    words = ["--no_log", "--num_pred_steps_val_test", "2"]
    for place, value in places.items():
        words += ["--set", f"{place}={value}"]
    for flag, value in settings.items():
        words += [f"--{flag}", str(value)]
    return words


def table(folder: Path) -> dict[tuple[int, str], float]:
    """The values of a run's metrics.csv by epoch and name."""
    with (folder / "metrics.csv").open() as stream:
        return {(int(row["epoch"]), row["name"]): float(row["value"]) for row in csv.DictReader(stream)}


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PY4CAST_ROOTDIR": str(folder), "OMP_NUM_THREADS": "1"}


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


def agents(folder: Path, nodes: int, per_node: int, *words: str) -> list[subprocess.Popen]:
    """The agents of torchrun that start one training, as on so many nodes."""
    port = str(free_port())
    head = [sys.executable, "-m", "torch.distributed.run", "--nnodes", str(nodes), "--nproc_per_node", str(per_node)]
    head += ["--master_addr", "127.0.0.1", "--master_port", port]
    return [
        subprocess.Popen(
            [*head, "--node_rank", str(node), str(ROOT / "bin" / "train.py"), *words],
            env=environment(folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for node in range(nodes)
    ]


@pytest.mark.slow
def test_two_nodes_are_one_job_that_learns_what_one_process_learns(tmp_path: Path) -> None:
    started = agents(tmp_path, 2, 1, *words_of(epochs=1, batch_size=2))
    ends = [(agent.communicate(timeout=240), agent.returncode) for agent in started]
    assert [code for _, code in ends] == [0, 0], ends[0][0][1][-3000:]
    (folder,) = (tmp_path / "logs" / "default" / "dummy" / "halfunet").iterdir()
    assert "epoch 1 of 1" in ends[0][0][1] and "epoch 1 of 1" not in ends[1][0][1], "the first rank speaks"
    saved = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["py4cast"]
    assert saved["job"] == {"world_size": 2, "num_nodes": 2, "samples_done": 24}
    alone = py4cast("train", *words_of(epochs=1, batch_size=4, run_name="alone"), PY4CAST_ROOTDIR=str(tmp_path))
    assert alone.returncode == 0, alone.stderr
    expected, shared = table(folder.parent / "alone"), table(folder)
    # one step's error grows from the rounding of a whole epoch, by as much as the processor's sums are ordered otherwise
    for name, within in (("train_loss_epoch", 1e-6), ("val_mean_loss", 1e-6), ("timestep_losses/val_step_1", 1e-5)):
        assert shared[0, name] == pytest.approx(expected[0, name], rel=within), name


@pytest.mark.slow
def test_a_signal_to_one_rank_stops_all_and_the_run_goes_on_alone(tmp_path: Path) -> None:
    words = words_of(epochs=40, batch_size=2, run_name="r")
    command = [sys.executable, str(ROOT / "bin" / "train.py"), *words, "--set", "train.save_every_n_steps=2"]
    both = [*command, "--devices", "2", "--accelerator", "cpu"]
    first = subprocess.Popen(both, env=environment(tmp_path), stderr=subprocess.PIPE, text=True)
    folder = tmp_path / "logs" / "default" / "dummy" / "halfunet" / "r"
    until(lambda: (folder / "checkpoints" / "last.ckpt").exists() or first.poll() is not None)
    children = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()
    second = next(pid for pid in children if "bin/train.py" in Path(f"/proc/{pid}/cmdline").read_text())
    os.kill(int(second), signal.SIGTERM)
    _, told = first.communicate(timeout=120)
    assert first.returncode == 143, told[-3000:]
    assert "stopped by SIGTERM at step" in told and "go on with --resume" in told
    state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["py4cast"]
    assert state["job"]["world_size"] == 2
    longer = [w if w != "40" else str(state["epoch"]["number"] + 2) for w in words]
    config = json.loads((folder / "config.json").read_text())
    config["train"]["epochs"] = int(longer[longer.index("--epochs") + 1])
    (folder / "config.json").write_text(json.dumps(config))
    done = py4cast("train", *longer, "--set", "train.save_every_n_steps=2", "--resume", PY4CAST_ROOTDIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    end = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["py4cast"]
    # 24 samples an epoch, whoever reads them
    assert end["job"] == {"world_size": 1, "num_nodes": 1, "samples_done": 24 * config["train"]["epochs"]}


@pytest.mark.slow
def test_a_signal_to_one_rank_in_the_test_ends_all(tmp_path: Path) -> None:
    # sent by the rank to itself, so that it comes while batches are tested
    code = (
        "import os, signal, sys\n"
        "from py4cast.lightning import AutoRegressiveLightning as Module\n"
        "whole = Module.test_step\n"
        "def signalled(self, *words):\n"
        "    if os.environ.get('LOCAL_RANK') == '1':\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return whole(self, *words)\n"
        "Module.test_step = signalled\n"
        "from py4cast.cli import main\n"
        "sys.exit(main(['train', *sys.argv[1:]]))\n"
    )
    (tmp_path / "signalled.py").write_text(code)
    words = [*words_of(epochs=1, batch_size=2, run_name="t"), "--devices", "2", "--accelerator", "cpu"]
    done = subprocess.run(
        [sys.executable, str(tmp_path / "signalled.py"), *words], env=environment(tmp_path), capture_output=True, text=True, timeout=150
    )  # fmt: skip
    assert done.returncode == 143, done.stderr[-3000:]
    told = [line for line in done.stderr.splitlines() if "py4cast train: error" in line]
    assert len(told) == 1 and "rank 1 of 2 was asked to stop; the state is in" in told[0]


def until(is_so: Callable[[], bool], most_s: float = 120.0) -> None:
    begun = time.monotonic()
    while not is_so() and time.monotonic() - begun < most_s:
        time.sleep(0.1)
    assert is_so()


@pytest.mark.slow
def test_a_hung_rank_ends_the_job_with_its_name(tmp_path: Path) -> None:
    words = [*words_of(epochs=400, batch_size=2, run_name="h"), "--set", "train.silent_s=10"]
    command = [sys.executable, str(ROOT / "bin" / "train.py"), *words, "--set", "train.save_every_n_steps=2"]
    first = subprocess.Popen(
        [*command, "--devices", "2", "--accelerator", "cpu"],
        env=environment(tmp_path),
        stderr=subprocess.PIPE,
        text=True,
    )
    last = tmp_path / "logs" / "default" / "dummy" / "halfunet" / "h" / "checkpoints" / "last.ckpt"
    until(lambda: last.exists() or first.poll() is not None)
    children = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()
    second = int(next(pid for pid in children if "bin/train.py" in Path(f"/proc/{pid}/cmdline").read_text()))
    try:
        os.kill(second, signal.SIGSTOP)
        _, told = first.communicate(timeout=100)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(second, signal.SIGKILL)
    assert first.returncode == 1, told[-3000:]
    assert (
        f"rank 1 of 2 has not been heard for 10 s: hung, or dead; the state is in {last}; go on with --resume" in told
    )


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((5, 8, 8), "split train holds 1 samples, 0 whole batches of 4, for 2 ranks"),
        ((27, 4, 8), "split valid holds 1 samples for 2 ranks; expected one for each"),
        ((27, 8, 4), "split test holds 1 samples for 2 ranks; expected one for each"),
    ],
    ids=["train", "valid", "test"],
)
def test_fewer_samples_than_ranks_are_told_before_the_first_step(sizes: tuple, message: str) -> None:
    train, valid, test = sizes
    steps = (3, 2, 2)
    samples = [range(count - 1 - steps[i] if i else count - 4) for i, count in enumerate((train, valid, test))]
    datasets = [Numbers(len(rows)) for rows in samples]
    trainer = type("Trainer", (), {"global_rank": 0, "world_size": 2})
    module = type("Module", (), {"epoch": None, "optim": OptimSettings()})
    with pytest.raises(SettingsError, match=message):
        _loaders(tuple(datasets), TrainSettings(), module, trainer)


def test_every_rank_scores_something() -> None:
    datasets = (Numbers(40), Numbers(5), Numbers(9))
    trainer = type("Trainer", (), {"global_rank": 1, "world_size": 3})
    module = type("Module", (), {"epoch": None, "optim": OptimSettings()})
    _, valid, test = _loaders(datasets, TrainSettings(batch_size=8), module, trainer)
    assert (valid.batch_size, len(valid), test.batch_size, len(test)) == (1, 2, 3, 1)


@pytest.mark.gpu
def test_an_accelerator_gives_the_forecast_of_the_cpu(tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no accelerator")
    from py4cast.forecaster import Forecaster
    from py4cast.testing import make_batch, make_info

    for precision in ("32", "bf16-mixed", "16-mixed"):
        words = ["train", "--dev_mode", "--no_log", "--run_name", precision, "--precision", precision]
        for place in TINY:
            words += ["--set", place]
        done = py4cast(*words, PY4CAST_ROOTDIR=str(tmp_path))
        assert done.returncode == 0, done.stderr
    info = make_info()
    forecaster = Forecaster.build(info, "halfunet", "scaled_ar", 2, {"num_filters": 8}).eval()
    batch = make_batch(info)
    on_cpu = forecaster.forecast(batch).tensor
    on_gpu = forecaster.cuda().forecast(batch.to("cuda")).tensor.cpu()
    assert torch.allclose(on_cpu, on_gpu, atol=1e-3 * float(on_cpu.std()))
