from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py4cast.datasets.virtual import Virtual
from py4cast.errors import SettingsError
from tests.weather_files import START, describe, wave_fields, write_netcdf

FIELDS = {"t": wave_fields(48, (6, 8)), "u": wave_fields(48, (6, 8), seed=1)}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_netcdf(tmp_path / "in" / "a.nc", FIELDS, units={"u": "m s-1"})


def splits(path: Path, **changes: Any) -> tuple[Virtual, Virtual, Virtual]:
    document = {k: v for k, v in describe(path.parent).items() if k in ("name", "step", "periods")}
    asked = {**document, "source": {"store": str(path)}, **changes}
    return Virtual.splits(Virtual.decode_settings(asked), 2, 1, 3)


def test_samples_are_the_values_of_the_source(source: Path) -> None:
    train, valid, test = splits(source, variables={"u": {"role": "input"}, "t": {"weight": 4.0}})
    assert (len(train), len(valid), len(test)) == (24 - 2, 12 - 4, 12 - 4)
    assert (train.info.prognostic, train.info.forcing, train.info.state_weights) == (["t"], ["u"], {"t": 4.0})
    item = test[5]
    assert item.outputs is not None and item.forcing is not None
    first = 36 + 5 + 1
    assert item.init_time == START + first * np.timedelta64(3600, "s")
    np.testing.assert_array_equal(item.inputs.tensor[..., 0], FIELDS["t"][first - 1 : first + 1])
    np.testing.assert_array_equal(item.outputs.tensor[..., 0], FIELDS["t"][first + 1 : first + 4])
    np.testing.assert_array_equal(item.forcing.tensor[..., 0], FIELDS["u"][first + 1 : first + 4])
    assert train.info.lineage["source"]["store"] == str(source) and train.info.lineage["fingerprint"]


def test_all_variables_are_used_in_the_roles_of_the_source(source: Path) -> None:
    assert splits(source)[0].info.prognostic == ["t", "u"]


@pytest.mark.parametrize(
    ("grid", "rows", "columns"),
    [
        ({"subgrid": [1, 5, 2, 8]}, slice(1, 5), slice(2, 8)),
        ({"box": {"south": 45.4, "north": 46.6, "west": -3.1, "east": -1.9}}, slice(2, 5), slice(2, 5)),
    ],
)
def test_a_window_is_cut_from_the_source(source: Path, grid: dict[str, Any], rows: slice, columns: slice) -> None:
    train = splits(source, grid=grid, variables={"t": {}})[0]
    np.testing.assert_array_equal(train[0].inputs.tensor[..., 0], FIELDS["t"][:2, rows, columns])
    np.testing.assert_allclose(train.info.grid.longitude, (-4.0 + 0.5 * np.arange(8))[columns])
    np.testing.assert_allclose(train.info.grid.latitude, (47.5 - 0.5 * np.arange(6))[rows])


def test_a_store_without_a_folder_lies_under_the_root(source: Path) -> None:
    train = splits(source, source={"store": "a.nc"}, root=str(source.parent))[0]
    np.testing.assert_array_equal(train[3].inputs.tensor[..., 0], FIELDS["t"][3:5])


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"tt": {}}, "variables.tt: not in the source; did you mean 't'"),
        ({"t": {"role": "static"}}, "variables.t: static fields come with the source; they need no role"),
        ({"t": {"role": "none"}}, "unknown role 'none'"),
        ({"t": {"role": "forcing"}}, "variables: none is prognostic or diagnostic"),
    ],
)
def test_variables_that_do_not_fit_are_refused(source: Path, variables: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        splits(source, variables=variables)
