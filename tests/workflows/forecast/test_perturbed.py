from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.given import Given
from py4cast.steppers import open_stepper
from py4cast.testing import make_batch, make_info
from py4cast.workflows.forecast.perturbed import perturbation_of
from py4cast.workflows.forecast.request import Forecast
from py4cast.workflows.forecast.run import forecast

INFO = make_info((16, 20), border_size=0)
START = np.datetime64("2020-01-01T00")
CHANGE = np.asarray([INFO.diff_stats[n]["std"] * INFO.stats[n]["std"] for n in INFO.prognostic])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    Forecaster.build(INFO, "cnn", "scaled_ar", 2, {"num_filters": 4}).save(tmp_path / "f.safetensors")
    return tmp_path / "f.safetensors"


def states(count: int = 4) -> np.ndarray:
    one = make_batch(INFO, num_pred_steps=1).inputs[INFO.prognostic].tensor[:1].numpy()
    return one.repeat(count, axis=0)


def first() -> Given:
    batch = make_batch(INFO, num_pred_steps=1)
    return Given(batch.forcing[INFO.forcing].tensor[:1, 0].numpy())


@pytest.mark.parametrize("name", ["spectrum", "bred"])
def test_members_differ_by_their_starts_alike_in_all_past_states(name: str, file: Path) -> None:
    perturbation = perturbation_of(name, open_stepper(file), 0.5, 3)
    before = states()
    moved = perturbation.members(before, START, [0, 1, 2, 3], first())
    assert np.array_equal(moved[0], before[0]), "the first member is the forecast without"
    shift = moved - before
    np.testing.assert_allclose(shift[:, 0], shift[:, 1], atol=1e-3 * CHANGE.max())
    again = perturbation.members(before[:2], START, [0, 1], first())
    np.testing.assert_array_equal(again[1], moved[1])
    together = np.sqrt(np.square(shift[1:, -1] / CHANGE).mean((1, 2, 3)))
    np.testing.assert_allclose(together, 0.5, rtol=0.02)
    assert abs(np.corrcoef(shift[1, -1].ravel(), shift[2, -1].ravel())[0, 1]) < 0.95
    other = perturbation_of(name, open_stepper(file), 0.5, 4).members(before, START, [0, 1], first())
    assert not np.array_equal(other[1], moved[1])


def test_a_spectrum_is_that_of_the_state(file: Path) -> None:
    perturbation = perturbation_of("spectrum", open_stepper(file), 1.0, 0)
    rows, columns = np.mgrid[0:16, 0:20]
    wave = np.cos(np.pi * 2 * (rows + 0.5) / 16)
    smooth = states(8)
    smooth[:] = (wave[..., None] * CHANGE).astype(np.float32)
    shift = perturbation.members(smooth, START, list(range(8)), first())[1:, -1] - smooth[1:, -1]
    # a single wave along the columns stays one, wherever it then lies
    power = np.abs(np.fft.rfft(np.concatenate([shift, shift[:, ::-1]], axis=1), axis=1)) ** 2
    assert float(power[:, 2].sum() / power[:, 1:].sum()) > 0.5
    assert np.ptp(shift, axis=2).max() < 1e-3 * np.abs(shift).max() and columns.max() == 19
    np.testing.assert_allclose(np.sqrt(np.square(shift).mean((1, 2))), CHANGE[None].repeat(7, 0), rtol=1e-4)


def test_what_grows_is_bred(file: Path) -> None:
    """A step that doubles the first feature's error and forgets the others leaves it alone."""
    stepper = open_stepper(file)

    class Doubling:
        info = stepper.info

        def rollout(self, past: np.ndarray, given: object) -> list:
            last = past[:, -1] * 0.1
            last[..., 0] = past[:, -1, ..., 0] * 2.0
            return [last]

    shift = (
        perturbation_of("bred", Doubling(), 0.5, 0).members(states(2), START, [0, 1], first())[1, -1] - states(2)[1, -1]
    )
    share = np.square(shift / CHANGE).mean((0, 1))
    assert share[0] / share.sum() > 0.999


def test_missing_values_stay_missing_and_nothing_falls_below_0(file: Path) -> None:
    stepper = open_stepper(file)
    for name in stepper.info.prognostic:
        stepper.info.header["info"]["stats"][name]["min"] = 0.0
    before = np.abs(states(3)) * 1e-3
    before[:, :, 4, 5, 0] = np.nan
    moved = perturbation_of("spectrum", stepper, 5.0, 0).members(before, START, [0, 1, 2], first())
    assert np.isnan(moved[:, :, 4, 5, 0]).all() and int(np.isnan(moved).sum()) == 6
    assert float(np.nanmin(moved)) >= 0


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [("spectrum", 0.0, "--perturb_size 0: expected more than 0"), ("spektrum", 1.0, "--perturb 'spektrum'.*spectrum")],
)
def test_what_is_no_perturbation_is_refused(name: str, size: float, message: str, file: Path) -> None:
    with pytest.raises(SettingsError, match=message):
        perturbation_of(name, open_stepper(file), size, 0)


def test_a_deterministic_forecaster_makes_members(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PY4CAST_ROOTDIR", str(tmp_path))
    from py4cast.datasets.dummy import Dummy, DummySettings

    small = {"size": 16, "num_train": 8, "num_valid": 4, "num_test": 8, "border_size": 0}
    info = Dummy.splits(DummySettings(**small), 2, 1, 1)[0].info
    torch.manual_seed(0)
    path = tmp_path / "d.safetensors"
    Forecaster.build(info, "cnn", "scaled_ar", 2, {"num_filters": 4}).save(path)
    words = {"forecaster": str(path), "num_steps": 2, "init_time": "2020-03-01T14", "dataset": "dummy"}
    words["overrides"] = [f"{k}={v}" for k, v in small.items()]
    forecast(Forecast(**words, output=[str(tmp_path / "p.nc")], num_members=3, perturb="spectrum"))
    forecast(Forecast(**words, output=[str(tmp_path / "c.nc")]))
    with xr.open_dataset(tmp_path / "p.nc") as many, xr.open_dataset(tmp_path / "c.nc") as control:
        assert many.sizes["member"] == 3
        np.testing.assert_allclose(many["t2m"].isel(member=0), control["t2m"], rtol=1e-5)
        assert float(many["t2m"].std("member").min()) > 0
    with pytest.raises(SettingsError, match="takes no noise.*--perturb"):
        forecast(Forecast(**words, output=[str(tmp_path / "q.nc")], num_members=3))
    with pytest.raises(SettingsError, match="member 0 is never perturbed"):
        forecast(Forecast(**words, output=[str(tmp_path / "q.nc")], perturb="bred"))
