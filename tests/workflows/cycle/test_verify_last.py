import json
from pathlib import Path

import numpy as np
import pytest

from py4cast.errors import DataError
from py4cast.workflows.cycle.verify_last import verify_last
from tests import forecast_files as made


def test_the_forecasts_from_a_start_on_are_scored_against_the_analyses(tmp_path: Path) -> None:
    made.write_each(tmp_path / "f", ".nc")
    analyses = made.write(tmp_path / "a", "an.nc", made.analyses())
    outputs = [str(tmp_path / "f" / "{init_time}.csv"), str(tmp_path / "f" / "{init_time}.nc"), "later_{init_time}.nc"]
    folder = verify_last(outputs, [analyses], made.STARTS[7], str(tmp_path / "scores"))
    assert folder == tmp_path / "scores"
    assert {p.name for p in folder.iterdir()} == {"scores.json", "scores.csv", "scores.nc", "report.html"}
    document = json.loads((folder / "scores.json").read_text())
    assert document["num_forecasts"] == 3
    np.testing.assert_allclose(document["forecast"]["t2m"]["bias"], made.BIAS["t2m"], atol=1e-4)
    np.testing.assert_allclose(document["forecast"]["u10"]["mae"], made.BIAS["u10"], atol=1e-4)
    with pytest.raises(DataError, match="--forecast: no start between"):
        verify_last(outputs, [analyses], made.STARTS[-1] + made.HOUR, str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_outputs_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no output of a format that verification reads \(\.nc, \.grib2, \.zarr\)"):
        verify_last(["{init_time}.csv"], ["an.nc"], made.START, str(tmp_path))
