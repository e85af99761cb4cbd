"""Sums of rain are scored against sums over as long a time."""

from pathlib import Path

import eccodes
import numpy as np
import pytest

from py4cast.errors import DataError
from py4cast.workflows.verify.file_case import VerifyFiles
from py4cast.workflows.verify.files import verify_files

GRID = {"Ni": 4, "Nj": 3, "latitudeOfFirstGridPointInDegrees": 50.0, "latitudeOfLastGridPointInDegrees": 48.0, "longitudeOfFirstGridPointInDegrees": 0.0, "longitudeOfLastGridPointInDegrees": 3.0, "iDirectionIncrementInDegrees": 1.0, "jDirectionIncrementInDegrees": 1.0}  # fmt: skip


def rain(path: Path, sums: list[tuple[int, int, int]]) -> str:
    """Rain of 1 mm an hour, by start [h], and the hours between which each message sums it."""
    with path.open("wb") as stream:
        for start, first, last in sums:
            handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
            keys = {**GRID, "dataDate": 20200101 + start // 24, "dataTime": 100 * (start % 24), "productDefinitionTemplateNumber": 8, "shortName": "tp", "stepType": "accum", "stepRange": f"{first}-{last}", "bitsPerValue": 16}  # fmt: skip
            for key, value in keys.items():
                eccodes.codes_set(handle, key, value)
            eccodes.codes_set_values(handle, 1e-3 * (last - first) + 1e-6 * np.arange(12.0))
            eccodes.codes_write(handle, stream)
            eccodes.codes_release(handle)
    return str(path)


def scored(forecast: str, truth: str, accumulated: tuple[str, ...] = ()) -> float:
    scores, case = verify_files(VerifyFiles(forecast=[forecast], truth=[truth], accumulated=accumulated, climatology="none"), num_workers=1)  # fmt: skip
    case.close()
    return float(np.abs(scores.arrays["rmse"].values[0]).max())


def test_sums_over_other_times_are_refused(tmp_path: Path) -> None:
    forecast = rain(tmp_path / "f.grib2", [(0, s, s + 6) for s in (0, 6, 12)])
    hourly = rain(tmp_path / "t1.grib2", [(h, 0, 1) for h in range(20)])
    sixes = rain(tmp_path / "t6.grib2", [(h, 0, 6) for h in (0, 6, 12)])
    since = rain(tmp_path / "s.grib2", [(0, 0, s) for s in (6, 12, 18)])
    with pytest.raises(DataError, match="tp: sums over 6h in the forecast, over 1h in the truth; expected the same"):
        scored(forecast, hourly)
    assert scored(forecast, sixes) < 2e-5
    with pytest.raises(DataError, match="--truth: tp holds sums since the start of the forecast; prepare it"):
        scored(forecast, since)
    with pytest.raises(DataError, match="tp holds sums since the start of the forecast; add --accumulated tp"):
        scored(since, sixes)
    with pytest.raises(DataError, match="tp: sums over 6h in the forecast, over 1h in the truth"):
        scored(since, hourly, ("tp",))
    assert scored(since, sixes, ("tp",)) < 2e-5
