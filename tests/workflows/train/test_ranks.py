"""Several processes of one job: they share data, weights, scores and one run folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.command import py4cast
from tests.conftest import ROOT
from tests.test_callbacks import TINY


@pytest.mark.slow
def test_two_ranks_make_one_run(tmp_path: Path) -> None:
    words = ["--epochs", "2", "--no_log", "--run_name", "ranks", "--num_pred_steps_val_test", "2"]
    for place in TINY:
        words += ["--set", place]
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc_per_node",
        "2",
        str(ROOT / "bin" / "train.py"),
        *words,
    ]
    environment = {**os.environ, "PY4CAST_ROOTDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
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
