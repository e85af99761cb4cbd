from pathlib import Path

import numpy as np
import pytest

from py4cast.datasets import get_datasets
from py4cast.workflows.verify.climatology import climatology_of
from tests.weather_files import START, describe, wave_fields, write_json, write_netcdf

HOUR = np.timedelta64(3600, "s")


def test_is_the_mean_of_each_cell_at_each_time_of_the_day(tmp_path: Path) -> None:
    fields = wave_fields(24 * 5)
    fields[30, 2, 2] = np.nan
    write_netcdf(tmp_path / "in" / "a.nc", {"t": fields})
    periods = {
        "train": {"start": "2020-01-01", "end": "2020-01-03"},
        "valid": {"start": "2020-01-04", "end": "2020-01-04"},
        "test": {"start": "2020-01-05", "end": "2020-01-05"},
    }
    document = describe(tmp_path / "in", periods=periods, variables={"t": {"units": "K", "nan": "mask"}})
    for past, ahead in ((1, 1), (2, 3)):
        train, _, _ = get_datasets("gridded", past, ahead, 1, write_json(tmp_path / "d.json", document))
        found = climatology_of(train)(START + np.array([100, 30]) * HOUR).numpy()
        learned = fields[:72].astype(np.float64)
        assert found.shape == (2, 12, 16, 1)
        np.testing.assert_allclose(found[0, ..., 0], learned[[4, 28, 52]].mean(0), rtol=1e-6)
        np.testing.assert_allclose(found[1, ..., 0], np.nanmean(learned[[6, 30, 54]], axis=0), rtol=1e-6)


def test_a_time_of_the_day_without_data_has_the_overall_mean(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields()})
    periods = {
        "train": {"start": "2020-01-01T00", "end": "2020-01-01T09"},
        "valid": {"start": "2020-01-01T10", "end": "2020-01-01T15"},
        "test": {"start": "2020-01-01T16", "end": "2020-01-01T23"},
    }
    train, _, _ = get_datasets(
        "gridded", 1, 1, 1, write_json(tmp_path / "d.json", describe(tmp_path / "in", periods=periods))
    )
    found = climatology_of(train)(np.array([START + 20 * HOUR])).numpy()
    assert found[0, ..., 0] == pytest.approx(wave_fields()[:10].mean(0, dtype=np.float64), rel=1e-6)
