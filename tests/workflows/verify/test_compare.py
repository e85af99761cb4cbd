import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from py4cast.errors import DataError, SettingsError
from py4cast.workflows.verify.compare import Compare, compare, named_runs, open_run
from py4cast.workflows.verify.file_case import VerifyFiles
from py4cast.workflows.verify.files import verify_files
from py4cast.workflows.verify.merge import merged
from py4cast.workflows.verify.score_files import read_scores, write_scores
from tests import forecast_files as made
from tests.command import py4cast


def scored(folder: Path, data: xr.Dataset, truth: xr.Dataset | None = None, **changes: object) -> Path:
    """The folder of the scores of some forecasts."""
    forecast = made.write(folder, "forecasts.nc", data)
    analyses = made.write(folder, "analyses.nc", made.analyses() if truth is None else truth)
    scores, case = verify_files(VerifyFiles(forecast=[forecast], truth=[analyses], **changes))
    case.close()
    return write_scores(folder / "scores", scores)


def noisy(size: float, seed: int = 0) -> xr.Dataset:
    data = made.forecasts()
    rng = np.random.default_rng(seed)
    for name in made.BIAS:
        data[name] = (data[name] + size * rng.standard_normal(data[name].shape).astype(np.float32)).assign_attrs(
            data[name].attrs
        )
    return data


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("runs")
    return {
        "good": scored(root / "good", noisy(0.5)),
        "bad": scored(root / "bad", noisy(3.0, 1).isel(init_time=slice(2, None))),
        "part": scored(root / "part", noisy(1.0, 2)[["u10", "v10"]].isel(lead_time=[0, 2])),
    }


def test_scores_come_back_from_their_file(folders: dict[str, Path]) -> None:
    found = read_scores(folders["good"])
    assert found.grid is not None and found.grid.shape == (12, 16) and found.num_forecasts == 10
    again = read_scores(write_scores(folders["good"].parent / "again", found) / "scores.nc")
    assert set(again.arrays) == set(found.arrays) and again.units == found.units
    for name, array in found.arrays.items():
        assert array.dims == again.arrays[name].dims, name
        np.testing.assert_array_equal(array.values, again.arrays[name].values, err_msg=name)
    rows = found.rows["forecast"]
    assert rows.count == 10 and rows.read("squared_error.sum").shape == (10, 3, 3)


def test_runs_are_compared_on_what_both_have(folders: dict[str, Path]) -> None:
    runs = {name: open_run(folder) for name, folder in folders.items()}
    found = merged({"good": runs["good"], "bad": runs["bad"]})
    assert found.num_forecasts == 8 and list(found.systems) == ["good", "bad"]
    rows = runs["good"].rows["forecast"]
    square = (rows.read("squared_error.sum")[2:].sum(0) / rows.read("squared_error.weight")[2:].sum(0)).sqrt()
    np.testing.assert_allclose(found.table("rmse", "good")[:, :3], square, rtol=1e-12)
    np.testing.assert_allclose(
        found.table("rmse", "bad")[:, :3], runs["bad"].table("rmse", "forecast")[:, :3], rtol=1e-12
    )
    gain = found.arrays["rmse_gain"].values[0, :, :3]
    np.testing.assert_allclose(
        gain, 1 - found.table("rmse", "good")[:, :3] / found.table("rmse", "bad")[:, :3], rtol=1e-9
    )
    assert (found.arrays["rmse_gain_low"].values[0, :, :3] > 0).all()
    part = merged({"part": runs["part"], "good": runs["good"]})
    assert part.variables[:2] == ["u10", "v10"] and part.lead_hours == [6.0, 18.0]
    np.testing.assert_allclose(part.table("csi", "good"), runs["good"].table("csi", "forecast")[[0, 2]][:, [1, 2, 3]])


def test_runs_that_cannot_be_compared(folders: dict[str, Path], tmp_path: Path) -> None:
    good = open_run(folders["good"])
    shifted = made.analyses()
    shifted["t2m"] = (shifted["t2m"] + 5).assign_attrs(shifted["t2m"].attrs)
    other = open_run(scored(tmp_path / "t", noisy(0.5), shifted))
    with pytest.raises(DataError, match=r"different truths.*t2m of .* \+6 h is"):
        merged({"a": good, "b": other})
    small = noisy(0.5).isel(latitude=slice(2, None))
    cut = open_run(scored(tmp_path / "g", small, made.analyses().isel(latitude=slice(2, None))))
    with pytest.raises(DataError, match=r"different grids: a on 12 x 16.*b on 10 x 16"):
        merged({"a": good, "b": cut})
    late = open_run(scored(tmp_path / "l", noisy(0.5).isel(init_time=slice(0, 2))))
    with pytest.raises(DataError, match="no start of forecast in common"):
        merged({"a": open_run(folders["bad"]), "b": late})
    celsius = made.analyses()
    celsius["t2m"] = (celsius["t2m"] - 273.15).assign_attrs(units="degC", standard_name="air_temperature")
    with pytest.raises(DataError, match=r"t2m is in 'K' in a and in 'degC' in b"):
        merged({"a": good, "b": open_run(scored(tmp_path / "c", noisy(0.5), celsius))})
    with pytest.raises(DataError, match=r"no scores.nc there; make it by py4cast verify, or give --truth"):
        open_run(tmp_path)
    with pytest.raises(DataError, match="no scores of py4cast"):
        open_run(folders["good"].parent / "forecasts.nc")
    with pytest.raises(SettingsError, match="at least two runs"):
        named_runs(["one"])
    with pytest.raises(SettingsError, match="two runs are called 'a'"):
        named_runs(["a=x", "a=y"])
    assert list(named_runs(["runs/one/verify", "runs/two/verify"])) == ["one", "two"]


def test_everything_is_written(folders: dict[str, Path], tmp_path: Path) -> None:
    asked = Compare({n: str(folders[n]) for n in ("bad", "good")}, made.STARTS[4], ["t2m"])
    compare(asked, tmp_path / "out")
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names == {
        "scores.json",
        "scores.csv",
        "scores.nc",
        "report.html",
        "leaderboard.md",
        "case_t2m.png",
        "case_t2m.gif",
    }
    lines = (tmp_path / "out" / "leaderboard.md").read_text().splitlines()
    assert (
        lines[0].startswith("| rank | run | gain |")
        and lines[2].startswith("| 1 | good |")
        and lines[3].startswith("| 2 | bad | 0.0 %")
    )
    assert len({line.count("|") for line in lines[:4]}) == 1
    with Image.open(tmp_path / "out" / "case_t2m.gif") as gif:
        assert gif.n_frames == 3 and gif.info["loop"] == 0
        first = np.asarray(gif.convert("RGB")).copy()
        gif.seek(2)
        assert (first != np.asarray(gif.convert("RGB"))).any()
    page = (tmp_path / "out" / "report.html").read_text()
    assert (
        "bad against good" in page and json.loads((tmp_path / "out" / "scores.json").read_text())["num_forecasts"] == 8
    )
    with pytest.raises(SettingsError, match="--init_time 2020-01-01T00:00:00: no common forecast"):
        compare(Compare(asked.runs, made.STARTS[0]), tmp_path / "x")
    with pytest.raises(SettingsError, match="--variables tm2: not among"):
        compare(Compare(asked.runs, None, ["tm2"]), tmp_path / "x")


def test_a_run_whose_files_are_gone_is_compared_without_maps(folders: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:  # fmt: skip
    import shutil

    root = tmp_path / "moved"
    folder = scored(root, noisy(0.7, 5))
    (root / "forecasts.nc").unlink()
    shutil.move(folder, tmp_path / "kept")
    compare(Compare({"kept": str(tmp_path / "kept"), "good": str(folders["good"])}), tmp_path / "out")
    assert "kept: no maps of it" in caplog.text
    assert (tmp_path / "out" / "case_t2m.png").exists(), "of the run that is still there"


def test_the_command_line(folders: dict[str, Path], tmp_path: Path) -> None:
    done = py4cast("compare", f"new={folders['good']}", f"old={folders['bad']}", "--output", str(tmp_path / "c"))
    assert done.returncode == 0, done.stderr
    assert "RMSE over 8 forecasts" in done.stdout and done.stdout.splitlines()[-1] == str(tmp_path / "c")
    root = folders["good"].parent
    files = py4cast(
        "compare", f"a={root / 'forecasts.nc'}", f"b={folders['bad']}", "--truth", str(root / "analyses.nc"),
        "--output", str(tmp_path / "f"),
    )  # fmt: skip
    assert files.returncode == 0, files.stderr
    assert "RMSE over 8 forecasts" in files.stdout and (tmp_path / "f" / "a" / "scores.nc").is_file()
    failed = py4cast("compare", str(folders["good"]))
    assert failed.returncode == 2 and "at least two runs" in failed.stderr
    failed = py4cast("compare", str(folders["good"]), str(tmp_path / "nothing"))
    assert failed.returncode == 3 and "no scores.nc there" in failed.stderr
