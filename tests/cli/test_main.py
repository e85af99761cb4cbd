"""The command line as a user meets it: subprocesses, exit statuses, one clear line for a mistake."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.command import py4cast
from tests.conftest import ROOT
from tests.weather_files import describe, wave_fields, write_json, write_netcdf

TINY = ["--set", "dataset.size=16", "--set", "dataset.num_train=20", "--set", "dataset.num_valid=8", "--set", "dataset.num_test=10",
        "--set", "dataset.border_size=2", "--set", "model.num_filters=4"]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A finished run on made files: its folder, and the environment it was made in."""
    folder = tmp_path_factory.mktemp("run")
    write_netcdf(folder / "in" / "a.nc", {"t": wave_fields()})
    write_json(folder / "data.json", describe(folder / "in"))
    environment = {"PY4CAST_ROOTDIR": str(folder / "root")}
    words = (
        "train", "--dataset", "gridded", "--dataset_conf", str(folder / "data.json"), "--epochs", "2", "--run_name", "one",
        "--campaign_name", "c", "--set", "model.num_filters=4", "--num_pred_steps_val_test", "3",
    )  # fmt: skip
    # as the interpreter starts it, which no other test does
    command = [sys.executable, "-m", "py4cast.cli", *words]
    whole = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=whole, timeout=300)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[-1]), environment


def test_a_run_folder_holds_everything(run) -> None:
    folder, environment = run
    assert folder == Path(environment["PY4CAST_ROOTDIR"]) / "logs" / "c" / "made" / "halfunet" / "one"
    names = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    wanted = {"config.json", "scores.json", "forecaster.safetensors", "checkpoints/best.ckpt", "checkpoints/last.ckpt"}
    assert wanted <= names and any(n.startswith("events.out.tfevents") for n in names)
    assert {"plots/test_prediction_0.png", "plots/test_state_error_rmse.png", "plots/test_spatial_error.png"} <= names
    assert not [n for n in names if ".part" in n]


def test_scores_have_the_shape_that_others_rely_on(run) -> None:
    scores = json.loads((run[0] / "scores.json").read_text())
    assert scores["lead_times_h"] == [1.0, 2.0, 3.0] and scores["units"] == {"t": "K"} and scores["num_forecasts"] == 8
    for system in ("model", "persistence", "climatology"):
        lengths = {m: len(v) for m, v in scores[system]["t"].items()}
        assert {"rmse", "mae", "bias"} <= set(lengths) and set(lengths.values()) == {3}
    assert {"acc", "activity", "gradient_error", "lambda_x", "mu", "sigma"} <= set(scores["model"]["t"])
    fields = wave_fields()[36:]
    ring = np.zeros((12, 16), dtype=bool)
    ring[1:-1, 1:-1] = True
    weights = (np.cos(np.deg2rad(45 + 0.5 * np.arange(12)[::-1]))[:, None] * ring)[None]
    errors = np.stack([fields[i + 2] - fields[i + 1] for i in range(8)]).astype(np.float64)
    expected = np.sqrt((weights * errors**2).sum() / (weights.sum() * 8))
    assert scores["persistence"]["t"]["rmse"][0] == pytest.approx(expected, rel=1e-3)


def test_a_config_runs_again_to_the_same_scores(run) -> None:
    folder, environment = run
    done = py4cast("train", "--config", str(folder / "config.json"), "--run_name", "two", **environment)
    assert done.returncode == 0, done.stderr
    again = Path(done.stdout.splitlines()[-1])
    assert json.loads((again / "scores.json").read_text()) == json.loads((folder / "scores.json").read_text())
    assert json.loads((again / "config.json").read_text()) == json.loads((folder / "config.json").read_text())


def test_verify_gives_the_scores_of_the_test(run, tmp_path: Path) -> None:
    folder, environment = run
    done = py4cast(
        "verify",
        "--forecaster",
        str(folder / "forecaster.safetensors"),
        "--num_steps",
        "3",
        "--output",
        str(tmp_path / "v"),
        **environment,
    )
    assert done.returncode == 0, done.stderr
    assert (
        "RMSE over 8 forecasts" in done.stdout
        and "persistence" in done.stdout
        and done.stdout.splitlines()[-1] == str(tmp_path / "v")
    )
    found, trained = (json.loads((p / "scores.json").read_text()) for p in (tmp_path / "v", folder))
    for system in ("model", "persistence", "climatology"):
        assert found[system]["t"]["rmse"] == pytest.approx(trained[system]["t"]["rmse"], rel=1e-5)
    rows = (tmp_path / "v" / "scores.csv").read_text().splitlines()
    assert rows[0] == "system,variable,units,metric,at,lead_time_h,value,low,high"
    assert len([r for r in rows if r.split(",")[3] in ("rmse", "mae", "bias")]) == 3 * 3 * 3


def test_forecast_writes_cf_netcdf_of_the_future(run, tmp_path: Path) -> None:
    folder, environment = run
    words = [
        "forecast",
        "--forecaster",
        str(folder / "forecaster.safetensors"),
        "--init_time",
        "2020-01-02T23",
        "--num_steps",
        "4",
    ]
    done = py4cast(*words, "--output", str(tmp_path / "f.nc"), **environment)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == str(tmp_path / "f.nc"), done.stderr
    with xr.open_dataset(tmp_path / "f.nc", decode_timedelta=True) as data:
        assert data["t"].shape == (4, 12, 16) and data["t"].attrs["units"] == "K"
        assert str(data["time"].values[-1])[:13] == "2020-01-03T03"
        assert float(data["t"].min()) > 270 and float(data["t"].max()) < 290
    named = py4cast(*words, "--output", str(tmp_path / "f.ncc"), **environment)
    assert named.returncode == 2 and "unknown ending '.ncc'" in named.stderr
    late = py4cast(*words[:4], "2020-02-01T00", *words[5:], "--output", str(tmp_path / "g.nc"), **environment)
    assert late.returncode == 3 and "t missing 2020-01-31T23:00:00" in late.stderr and not (tmp_path / "g.nc").exists()
    bad_time = py4cast(*words[:4], "soon", *words[5:], "--output", str(tmp_path / "g.nc"), **environment)
    assert bad_time.returncode == 2 and "time 'soon'" in bad_time.stderr


def test_a_forecaster_on_other_data_is_refused(run, tmp_path: Path) -> None:
    folder, environment = run
    write_netcdf(tmp_path / "other" / "a.nc", {"t": wave_fields()}, south=20.0)
    write_netcdf(tmp_path / "named" / "a.nc", {"x": wave_fields()})
    for name, variables, message in (
        ("other", {"t": {"units": "K"}}, "its grid is not the Forecaster's"),
        ("named", {"x": {"units": "K"}}, "lacks prognostic 't' of the Forecaster"),
    ):
        document = write_json(tmp_path / f"{name}.json", describe(tmp_path / name, variables=variables))
        words = [
            "--forecaster",
            str(folder / "forecaster.safetensors"),
            "--dataset_conf",
            str(document),
            "--num_steps",
            "2",
        ]
        for verb in (["verify"], ["forecast", "--init_time", "2020-01-02T00", "--output", str(tmp_path / "f.nc")]):
            done = py4cast(verb[0], *words, *verb[1:], **environment)
            assert done.returncode == 3 and message in done.stderr, done.stderr
            assert done.stderr.count("error:") == 1 and "Traceback" not in done.stderr


def test_a_run_of_the_same_name_is_refused(run) -> None:
    folder, environment = run
    before = (folder / "scores.json").read_bytes()
    again = py4cast("train", "--config", str(folder), "--run_name", "one", "--campaign_name", "c", **environment)
    assert again.returncode == 2 and "a run of this name exists" in again.stderr
    other = py4cast(
        "train",
        "--config",
        str(folder),
        "--run_name",
        "one",
        "--campaign_name",
        "c",
        "--resume",
        "--lr",
        "0.1",
        **environment,
    )
    assert other.returncode == 2 and "these differ: optim" in other.stderr
    assert (folder / "scores.json").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--dataset", "dumy"], 2, "unknown dataset 'dumy'; did you mean 'dummy'?"),
        (["--model", "halfunt"], 2, "unknown model 'halfunt'; did you mean 'halfunet'?"),
        (["--strategy", "scaled"], 2, "unknown strategy 'scaled'; did you mean 'scaled_ar'?"),
        (["--loss", "mes"], 2, "unknown loss 'mes'; did you mean 'mse'?"),
        (["--epoch", "3"], 2, "unknown flag --epoch; did you mean '--epochs'?"),
        (["--epochs", "three"], 2, "argument --epochs: expected a whole number, found 'three'"),
        (["--epochs", "0"], 2, "epochs must be at least 1, found 0"),
        (["--precision", "16"], 2, "train.precision: expected one of '32', 'bf16-mixed', '16-mixed'"),
        (["--set", "model.num_filter=3"], 2, "model.num_filter: unknown setting; did you mean 'num_filters'?"),
        (["--set", "model.num_filters=3.5"], 2, "model.num_filters: expected int, found 3.5"),
        (["--set", "modle.num_filters=3"], 2, "expected one of dataset, model, strategy, train, optim, scores first"),
        (["--set", "train.lost=mse"], 2, "train.lost: unknown setting; did you mean 'loss'?"),
        (["--set", "dataset.border_size=40"], 2, "border_size 40"),
        (["--num_inter_steps", "2"], 2, "strategy diff_ar has no inter steps; use --strategy scaled_ar"),
        (
            ["--strategy", "scaled_ar", "--num_inter_steps", "2"],
            2,
            "num_inter_steps 2 needs num_input_steps 1, found 2",
        ),
        (
            ["--num_pred_steps_val_test", "90"],
            3,
            "period valid (2020-03-11T00:00:00 to 2020-03-12T23:00:00) holds 48 instants of 1h",
        ),
        (["--dataset_conf", "none.json"], 2, "none.json: no such file"),
        (["--model_conf", "none.json"], 2, "none.json: no such file"),
        (["--run_name", "../../etc"], 2, "--run_name '../../etc': expected letters"),
        (["--campaign_name", "/tmp"], 2, "--campaign_name '/tmp': expected letters"),
        (["--resume"], 2, "--resume needs the --run_name"),
        (["--resume", "--run_name", "x"], 2, "no run to resume here"),
        (["--load_model_ckpt", "none.ckpt"], 3, "none.ckpt: no such checkpoint"),
        (["--plots", "pictures"], 2, "unknown observer 'pictures'"),
        (["--set", "optim.lr=-1"], 2, "optim: expected 0 <= min_lr <= lr"),
    ],
)
def test_a_mistake_is_one_line(
    words: list[str], status: int, message: str, tmp_path: Path, capsys, monkeypatch
) -> None:
    from py4cast.cli import main

    monkeypatch.chdir(tmp_path)
    try:
        found = main(["train", "--dev_mode", *words])
    except SystemExit as stop:
        found = int(stop.code)
    text = capsys.readouterr().err
    assert found == status, text
    assert message in text and "Traceback" not in text
    assert len(text.strip().splitlines()) == 1, text
    logs = tmp_path / "root" / "logs"
    assert not [p for p in logs.rglob("*") if p.is_file() and p.name != ".lock"], (
        "a run that never began leaves nothing"
    )


def test_bad_data_is_status_3_in_a_subprocess(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields()})
    (tmp_path / "in" / "b.nc").write_bytes((tmp_path / "in" / "a.nc").read_bytes()[:3000])
    document = write_json(tmp_path / "d.json", describe(tmp_path / "in"))
    done = py4cast("prepare", "--dataset_conf", str(document), PY4CAST_ROOTDIR=str(tmp_path / "r"))
    assert done.returncode == 3 and "b.nc: damaged, or not a NetCDF file" in done.stderr
    assert (
        done.stderr.strip().splitlines()[-1].startswith("py4cast prepare: error: ") and "Traceback" not in done.stderr
    )


def test_prepare_reports_and_gives_the_folder(tmp_path: Path) -> None:
    fields = wave_fields()
    write_netcdf(tmp_path / "in" / "a.nc", {"t": fields[:20]})
    write_netcdf(tmp_path / "in" / "b.nc", {"t": fields[21:]}, start=np.datetime64("2020-01-01T21"))
    document = write_json(tmp_path / "d.json", describe(tmp_path / "in", root=None, root_env="WHERE"))
    words = ["prepare", "--dataset_conf", str(document), "--output", str(tmp_path / "store")]
    done = py4cast(*words, WHERE=str(tmp_path / "in"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(tmp_path / "store")
    assert "t is missing at 1 of 48 instants: 2020-01-01T20:00:00" in done.stderr and "preparing" in done.stderr
    by_flag = py4cast(*words[:-1], str(tmp_path / "store2"), "--set", f"dataset.root={tmp_path / 'in'}", "--profile")
    assert by_flag.returncode == 0, by_flag.stderr
    told = dict(
        re.findall(r"^(files|decoding|statistics|writing|waiting|end|whole) +([0-9.]+) s  ", by_flag.stderr, re.M)
    )
    assert len(told) == 7 and float(told["decoding"]) > 0 and float(told["whole"]) >= float(told["files"])
    digests = {json.loads((tmp_path / s / "py4cast.json").read_text())["digest"] for s in ("store", "store2")}
    assert len(digests) == 1
    nothing = py4cast("prepare", "--dataset", "dummy")
    assert nothing.returncode == 2 and "nothing to prepare" in nothing.stderr


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_mixed_precision_and_options(tmp_path: Path, precision: str) -> None:
    done = py4cast(
        "train", "--dev_mode", "--precision", precision, *TINY, "--strategy", "scaled_ar", "--num_input_steps", "1", "--num_inter_steps", "2",
        "--num_pred_steps_train", "2", "--num_pred_steps_val_test", "2", "--no_log", "--profiler", "simple", "--val_interval", "2",
        "--loss", "mae", "--lr", "0.002", PY4CAST_ROOTDIR=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.splitlines()[-1])
    config = json.loads((folder / "config.json").read_text())
    assert (
        config["strategy"] == {"name": "scaled_ar", "settings": {"num_inter_steps": 2}}
        and config["optim"]["lr"] == 0.002
    )
    assert config["train"]["precision"] == precision and config["train"]["limit_train_batches"] == 3
    assert not (folder / "plots").exists() and (folder / "scores.json").exists()


def test_weights_of_another_run_start_a_new_one(run) -> None:
    import torch

    from py4cast.forecaster import Forecaster
    from py4cast.workflows.train.run import load_weights

    folder, environment = run
    trained = Forecaster.load(folder / "forecaster.safetensors")
    batch = torch.randn(1, 12, 16, trained.strategy.num_input_features(trained.info, 2))
    for file in ("checkpoints/best.ckpt", "forecaster.safetensors"):
        fresh = Forecaster.build(trained.info, "halfunet", "diff_ar", 2, {"num_filters": 4}).eval()
        assert not torch.equal(fresh.network(batch), trained.network(batch))
        load_weights(fresh, folder / file)
        assert torch.equal(fresh.network(batch), trained.network(batch)), file
    words = ["train", "--config", str(folder), "--epochs", "1", "--no_log", "--run_name", "again"]
    done = py4cast(*words, "--load_model_ckpt", str(folder / "forecaster.safetensors"), **environment)
    assert done.returncode == 0, done.stderr
    wide = py4cast(
        *words[:-1],
        "wide",
        "--set",
        "model.num_filters=6",
        "--load_model_ckpt",
        str(folder / "forecaster.safetensors"),
        **environment,
    )
    assert wide.returncode == 3 and "its weights do not fit the network" in wide.stderr


def test_a_dataset_by_name_with_its_own_file(tmp_path: Path) -> None:
    file = write_json(
        tmp_path / "d.json", {"size": 16, "num_train": 16, "num_valid": 10, "num_test": 10, "border_size": 2}
    )
    words = [
        "train",
        "--dev_mode",
        "--no_log",
        "--dataset",
        "dummy",
        "--dataset_conf",
        str(file),
        "--set",
        "model.num_filters=4",
    ]
    done = py4cast(*words, PY4CAST_ROOTDIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    config = json.loads((Path(done.stdout.splitlines()[-1]) / "config.json").read_text())
    assert config["dataset"] == {"name": "dummy", "settings": json.loads(file.read_text())}


def test_help_teaches() -> None:
    top = py4cast("--help")
    assert top.returncode == 0 and all(v in top.stdout for v in ("train", "prepare", "forecast", "verify", "plugins"))
    for verb in ("train", "prepare", "forecast", "verify", "plugins"):
        shown = py4cast(verb, "--help")
        assert shown.returncode == 0 and f"py4cast {verb}" in shown.stdout
        if verb != "plugins":
            assert "example" in shown.stdout
    unknown = py4cast("trian")
    assert unknown.returncode == 2 and "did you mean 'train'?" in unknown.stderr
    assert py4cast("--version").stdout.strip() == "0.1.0"


@pytest.mark.parametrize("verb", ["train", "prepare", "forecast", "verify", "plugins"])
def test_shells_are_the_same_verbs(verb: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "bin" / f"{verb}.py"), "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout == py4cast(verb, "--help").stdout


def test_import_loads_neither_torch_nor_matplotlib() -> None:
    code = "import sys, py4cast, py4cast.cli; print(sorted({'torch', 'matplotlib', 'xarray', 'pytorch_lightning'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
