"""Forecasts from many starts are those that are made one by one; what lacks is left out, what was killed goes on."""

import json
import time
import warnings
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from py4cast.cubes.files import open_fields
from py4cast.datasets.gridded import Gridded
from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.formats import Heading, open_reader
from py4cast.variables import Variable
from py4cast.workflows.forecast.request import Forecast
from py4cast.workflows.forecast.run import forecast
from py4cast.workflows.hindcast import run as hindcasts
from py4cast.workflows.hindcast import store as stores
from py4cast.workflows.hindcast.run import hindcast
from py4cast.workflows.hindcast.starts import Starts
from tests import forecast_files as made
from tests import forecasters
from tests.command import begin, py4cast
from tests.weather_files import HOUR, START, describe, wave_fields, write_json, write_netcdf
from tests.workflows.forecast.test_run import saved

TIMES = made.TIMES
WHOLE = Starts(TIMES[1:9], False)


@pytest.fixture(autouse=True)
def nothing_open() -> None:
    hindcasts._OPEN.clear()


def asked(tmp_path: Path, name: str = "h.zarr", data: xr.Dataset | None = None, **further: object) -> Forecast:
    _, path = saved(tmp_path)
    files = str(tmp_path / "in" / "an.nc")
    if not Path(files).exists():
        made.write(tmp_path / "in", "an.nc", made.analyses() if data is None else data)
    return Forecast(forecaster=path, input=[files], num_steps=3, output=[str(tmp_path / name)], **further)


def opened(path: Path) -> xr.Dataset:
    with xr.open_zarr(path, decode_timedelta=False) as data:
        return data.load()


def test_every_start_is_the_forecast_that_is_made_alone(tmp_path: Path) -> None:
    wanted = asked(tmp_path)
    result = hindcast(wanted, WHOLE)
    assert result.num_made == 8 and not result.missing and result.paths == [tmp_path / "h.zarr"]
    data = opened(tmp_path / "h.zarr")
    assert data["t2m"].dims == ("init_time", "lead_time", "latitude", "longitude") and data["t2m"].shape == (
        8,
        3,
        12,
        16,
    )
    assert (data["init_time"].values == WHOLE.times).all() and data["lead_time"].values.tolist() == [6.0, 12.0, 18.0]
    assert data["valid_time"].values[2, 1] == WHOLE.times[2] + 2 * forecasters.STEP
    for place in (0, 5):
        alone = forecast(asked(tmp_path, "one.nc", init_time=str(WHOLE.times[place])))
        with xr.open_dataset(alone[0], decode_timedelta=False) as single:
            for name in ("t2m", "tp"):
                np.testing.assert_allclose(data[name].values[place], single[name].values, atol=1e-5)
                assert data[name].attrs["units"] == single[name].attrs["units"]
    assert sorted(p.name for p in tmp_path.iterdir() if "partial" in p.name) == []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cube = open_fields([tmp_path / "h.zarr"])
    assert cube.axis.size == 24 and not cube.axis.is_series, "our own tools read forecasts"


def test_processes_make_the_same(tmp_path: Path) -> None:
    wanted = asked(tmp_path)
    hindcast(wanted, WHOLE)
    other = asked(tmp_path, "two.zarr")
    assert hindcast(other, Starts(TIMES[1:19], False), num_workers=2).num_made == 18
    one, two = opened(tmp_path / "h.zarr"), opened(tmp_path / "two.zarr")
    np.testing.assert_allclose(one["u10"].values, two["u10"].values[:8], atol=1e-5)


def test_some_variables_alone(tmp_path: Path) -> None:
    hindcast(asked(tmp_path), WHOLE, variables=["v10"])
    assert list(opened(tmp_path / "h.zarr").data_vars) == ["v10"]
    with pytest.raises(SettingsError, match="--variables v1O: it is not forecast; did you mean 'v10'"):
        hindcast(asked(tmp_path, "x.zarr"), WHOLE, variables=["v1O"])


def test_starts_whose_analyses_are_missing_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = made.analyses().isel(time=[i for i in range(30) if i != 4])
    result = hindcast(asked(tmp_path, data=data), WHOLE)
    # the first state of a forecast is the one before its start
    lacking = [str(TIMES[4]), str(TIMES[5])]
    assert list(result.missing) == lacking and result.num_made == 6 and "no state at" in result.missing[lacking[0]]
    assert "2 of 8 starts are missing and left out, the first 2020-01-02T00:00:00" in caplog.text
    kept = opened(tmp_path / "h.zarr")
    assert [str(t)[:19] for t in kept["init_time"].values] == [str(t) for t in WHOLE.times if str(t) not in lacking]
    hindcasts._OPEN.clear()
    hindcast(asked(tmp_path / "whole", "whole.zarr"), WHOLE)
    whole = opened(tmp_path / "whole" / "whole.zarr").sel(init_time=kept["init_time"])
    np.testing.assert_array_equal(kept["t2m"].values, whole["t2m"].values)
    np.testing.assert_array_equal(kept["valid_time"].values, whole["valid_time"].values)


def test_several_forecasters_are_one_ensemble_of_every_start(tmp_path: Path) -> None:
    torch.manual_seed(7)
    other = forecasters.forecaster()
    for parameter in other.network.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    second = str(tmp_path / "second.safetensors")
    other.save(second)
    result = hindcast(asked(tmp_path, others=[second]), WHOLE)
    data = opened(tmp_path / "h.zarr")
    assert result.num_made == 8 and data["t2m"].dims[:3] == ("init_time", "lead_time", "member")
    hindcasts._OPEN.clear()
    hindcast(asked(tmp_path, "one.zarr"), WHOLE)
    hindcasts._OPEN.clear()
    hindcast(replace(asked(tmp_path, "two.zarr"), forecaster=second), WHOLE)
    for member, name in enumerate(("one.zarr", "two.zarr")):
        np.testing.assert_allclose(data["t2m"].values[:, :, member], opened(tmp_path / name)["t2m"].values, atol=1e-5)
    assert not np.allclose(data["t2m"].values[:, :, 0], data["t2m"].values[:, :, 1])
    with pytest.raises(SettingsError, match="second.safetensors"):
        hindcasts._OPEN.clear()
        hindcast(asked(tmp_path, "three.zarr", others=[second, second]), WHOLE)
    # another one in its place is another hindcast
    (tmp_path / ".again.zarr.partial").mkdir()
    wanted = asked(tmp_path, "again.zarr", others=[second])
    before = hindcasts._document(wanted, WHOLE, ())
    forecasters.forecaster(num_input_steps=3).save(second)
    assert hindcasts._document(wanted, WHOLE, ()) != before


def test_none_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of 2 starts can be made: --input: no state at"):
        hindcast(asked(tmp_path), Starts(TIMES[:2] + np.timedelta64(365, "D"), False))
    assert not (tmp_path / "h.zarr").exists()


def test_what_was_made_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted, steps, count = asked(tmp_path), hindcasts._Maker.steps, []

    def counted(self: object, start: np.datetime64) -> object:
        count.append(start)
        if len(count) == 5:
            raise KeyboardInterrupt
        return steps(self, start)

    monkeypatch.setattr(hindcasts._Maker, "steps", counted)
    with pytest.raises(KeyboardInterrupt):
        hindcast(wanted, WHOLE)
    assert not (tmp_path / "h.zarr").exists() and (tmp_path / ".h.zarr.partial").is_dir()
    count[:] = [None] * 10
    assert hindcast(wanted, WHOLE).num_made == 8
    assert [str(t) for t in count[11:]] == [str(t) for t in WHOLE.times[3:]], "three were made before"
    monkeypatch.setattr(hindcasts._Maker, "steps", steps)
    hindcasts._OPEN.clear()
    hindcast(asked(tmp_path, "whole.zarr"), WHOLE)
    xr.testing.assert_equal(opened(tmp_path / "h.zarr"), opened(tmp_path / "whole.zarr"))


def test_a_folder_of_other_hindcasts_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = asked(tmp_path)
    monkeypatch.setattr(hindcasts._StoreSink, "put", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        hindcast(wanted, WHOLE)
    with pytest.raises(
        SettingsError, match=r"\.h\.zarr\.partial: of other hindcasts; remove it, or choose another --output"
    ):
        hindcast(wanted, Starts(TIMES[1:5], False))


def test_killed_it_goes_on(tmp_path: Path) -> None:
    wanted = asked(tmp_path)
    words = [
        "forecast", "--forecaster", wanted.forecaster, "--input", wanted.input[0], "--num_steps", "3", "--output", "h.zarr",
        "--init_times", f"{TIMES[1]}/{TIMES[28]}/6h",
    ]  # fmt: skip
    process = begin(*words, cwd=tmp_path, out=tmp_path / "out", err=tmp_path / "err")
    state = tmp_path / ".h.zarr.partial" / "state" / "c"
    until = time.monotonic() + 120
    while not (state.is_dir() and any(state.iterdir())) and process.is_alive() and time.monotonic() < until:
        time.sleep(0.005)
    process.kill()
    process.join()
    done = py4cast(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("h.zarr") and not (tmp_path / ".h.zarr.partial").exists()
    assert not np.isnan(opened(tmp_path / "h.zarr")["t2m"].values).any()


def test_a_file_of_each_start(tmp_path: Path) -> None:
    wanted = asked(tmp_path, "fc_{init_time}_{lead_time}.grib2")
    result = hindcast(wanted, Starts(TIMES[1:4], False))
    assert len(list(tmp_path.glob("fc_*.grib2"))) == 9 and result.num_made == 3
    with open_reader(tmp_path / "fc_20200101T06_018.grib2") as reader:
        assert {r.lead_time for r in reader.records()} == {18 * made.HOUR}
    (tmp_path / "fc_20200101T06_018.grib2").unlink()
    before = (tmp_path / "fc_20200101T12_018.grib2").stat().st_mtime_ns
    hindcast(wanted, Starts(TIMES[1:4], False))
    assert (tmp_path / "fc_20200101T06_018.grib2").exists()
    assert (tmp_path / "fc_20200101T12_018.grib2").stat().st_mtime_ns == before, "it stood already"


@pytest.mark.parametrize(
    ("name", "told"),
    [("h.nc", "expected a name that ends in .zarr, or {init_time} in it"), ("h_{lead_time}.zarr", "many starts go into one store")],
    ids=["one file", "lead time"],
)  # fmt: skip
def test_an_output_that_cannot_hold_many_is_refused(tmp_path: Path, name: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        hindcast(asked(tmp_path, name), WHOLE)


def test_a_start_asked_for_by_name_must_be_there(tmp_path: Path) -> None:
    wanted = asked(tmp_path)
    words = [
        "forecast",
        "--forecaster",
        wanted.forecaster,
        "--input",
        wanted.input[0],
        "--num_steps",
        "2",
        "--output",
        "h.zarr",
    ]
    done = py4cast(*words, "--init_times", f"{TIMES[3]},2031-01-01T00", cwd=tmp_path)
    assert (
        done.returncode == 3
        and "1 of 2 starts that were asked for by name are missing, the first 2031-01-01" in done.stderr
    )
    assert len(opened(tmp_path / "h.zarr")["init_time"]) == 1, "what could be made stands"
    both = py4cast(*words, "--init_times", str(TIMES[3]), "--init_time", str(TIMES[3]), cwd=tmp_path)
    assert both.returncode == 2 and "both say when to start" in both.stderr
    alone = py4cast(*words, "--init_time", str(TIMES[3]), "--variables", "t2m", cwd=tmp_path)
    assert alone.returncode == 2 and "--variables: of --init_times" in alone.stderr


def test_they_are_scored_on_the_way_as_a_split_is(tmp_path: Path) -> None:
    from py4cast.workflows.hindcast.score import score_hindcasts
    from py4cast.workflows.train.run import train
    from py4cast.workflows.verify.split import verify
    from tests.test_guards import tiny

    folder = train(tiny(), run_name="r")
    scores, _ = verify(folder / "forecaster.safetensors", num_steps=2)
    wanted = Forecast(
        forecaster=str(folder), num_steps=2, init_time=str(scores.init_times[0]), scores=str(tmp_path / "s")
    )
    first, last = scores.init_times[[0, -1]]
    starts = Starts.of(f"{first}/{last}/1h")
    found, missing = score_hindcasts(wanted, starts, tmp_path / "s")
    assert not missing and found.num_forecasts == scores.num_forecasts
    np.testing.assert_allclose(found.arrays["rmse"].values[0], scores.arrays["rmse"].values[0], rtol=1e-5)
    assert (tmp_path / "s" / "report.html").exists()
    assert json.loads((tmp_path / "s" / "scores.json").read_text())["num_forecasts"] == scores.num_forecasts
    with pytest.raises(SettingsError, match="scores one Forecaster on its dataset"):
        score_hindcasts(asked(tmp_path), starts, tmp_path / "s")
    with pytest.raises(DataError, match="none of 1 starts can be scored"):
        score_hindcasts(wanted, Starts.of("2031-01-01T00"), tmp_path / "s")


GAPPY = made.analyses().isel(time=[k for k in range(len(TIMES)) if k != 4])


@pytest.mark.parametrize(("name", "count"), [("_link_or_copy", 1), ("_link_or_copy", 30), ("gather_metadata", 1)])
def test_interrupted_while_it_is_finished_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, count: int
) -> None:
    hindcast(asked(tmp_path, "whole.zarr", GAPPY), WHOLE)
    wanted, real, calls = asked(tmp_path), getattr(stores, name), []

    def interrupted(*words: object) -> None:
        calls.append(words)
        if len(calls) == count:
            raise KeyboardInterrupt
        real(*words)

    monkeypatch.setattr(stores, name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        hindcast(wanted, WHOLE)
    assert not (tmp_path / "h.zarr").exists()
    monkeypatch.setattr(stores, name, real)
    result = hindcast(wanted, WHOLE)
    whole = opened(tmp_path / "whole.zarr")
    assert result.num_made == whole.sizes["init_time"] < 8 and result.missing
    xr.testing.assert_equal(opened(tmp_path / "h.zarr"), whole)
    assert not (tmp_path / ".h.zarr.partial").exists()


def test_what_was_missing_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = asked(tmp_path, data=GAPPY)
    monkeypatch.setattr(stores.HindcastStore, "finish", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        hindcast(wanted, WHOLE)
    monkeypatch.undo()
    again = hindcast(wanted, WHOLE)
    assert again.missing and "no state at" in next(iter(again.missing.values())), "the reason is told again"
    with pytest.raises(KeyboardInterrupt), monkeypatch.context() as patched:
        patched.setattr(stores.HindcastStore, "finish", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        hindcast(wanted, WHOLE)
    hindcasts._OPEN.clear()
    made.write(tmp_path / "in", "an.nc", made.analyses())
    result = hindcast(wanted, WHOLE)
    assert not result.missing and result.num_made == 8, "it has come since"


def test_files_of_other_hindcasts_are_not_taken_for_these(tmp_path: Path) -> None:
    starts = Starts(TIMES[1:3], True)
    wanted = asked(tmp_path, "fe/f_{init_time}.nc")
    hindcast(wanted, starts)
    hindcast(wanted, Starts(TIMES[1:4], True))  # further starts of the same
    with pytest.raises(SettingsError, match=r"2 files stand there of other hindcasts \(num_steps\)"):
        hindcast(replace(wanted, num_steps=2), starts)
    (unknown,) = [path for path in (tmp_path / "fe").iterdir() if path.name.endswith(".hindcasts.json")]
    unknown.unlink()
    with pytest.raises(SettingsError, match="2 files stand there of which nothing is known"):
        hindcast(wanted, starts)


def test_a_variable_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--variables: t2m stands twice"):
        hindcast(asked(tmp_path), WHOLE, ["t2m", "t2m"])


def test_a_process_that_is_killed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def submit(self, *_: object) -> Future[object]:
            future: Future[object] = Future()
            future.set_exception(BrokenProcessPool())
            return future

    monkeypatch.setattr(hindcasts, "workers", lambda *_: nullcontext((Broken(), 2)))
    with pytest.raises(DataError, match="killed, perhaps for its memory; the same command goes on"):
        hindcast(asked(tmp_path), WHOLE, num_workers=2)


def test_starts_are_read_from_the_files_of_a_dataset(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields()})
    document = write_json(tmp_path / "d.json", describe(tmp_path / "in"))
    info = Gridded.from_json(document, 2, 1, 3)[0].info
    torch.manual_seed(0)
    model = Forecaster.build(info, "halfunet", "scaled_ar", 2, {"num_filters": 8, "norm": "group"})
    model.eval().save(tmp_path / "f.safetensors")
    starts = Starts(START + np.array([2, 20, 30, 44]) * HOUR, False)
    request = Forecast(forecaster=str(tmp_path / "f.safetensors"), dataset="gridded", path=str(document), num_steps=3, init_time=str(starts.times[0]), output=[str(tmp_path / "h.zarr")])  # fmt: skip
    result = hindcast(request, starts)
    assert result.num_made == 4 and not result.missing, "of all periods, far from the first start"
    data = opened(tmp_path / "h.zarr")
    for place, start in enumerate(starts.times):
        alone = forecast(replace(request, init_time=str(start), output=[str(tmp_path / f"{place}.nc")]))
        with xr.open_dataset(alone[0], decode_timedelta=False) as single:
            np.testing.assert_allclose(data["t"].values[place], single["t"].values, atol=1e-4)


def test_a_variable_may_be_called_state(tmp_path: Path) -> None:
    """As that of the systems of `stochastic` is."""
    heading = Heading([Variable(name="state")], forecasters.GRID, START, [HOUR])
    store = stores.begin_store(tmp_path / "h.zarr", heading, START + np.arange(2) * HOUR, {"of": "state"})
    assert store is not None and (stores.folder_of(tmp_path / "h.zarr") / "state").is_dir()
