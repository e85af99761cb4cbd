from pathlib import Path

from py4cast.datasets import get_datasets
from py4cast.testing import check_dataset
from tests.conftest import SMALL
from tests.weather_files import describe, wave_fields, write_json, write_netcdf


def test_dummy_keeps_the_contract() -> None:
    for split in get_datasets("dummy", 2, 1, 3, None, SMALL):
        check_dataset(split)


def test_gridded_keeps_the_contract(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields()})
    for split in get_datasets("gridded", 2, 1, 3, write_json(tmp_path / "d.json", describe(tmp_path / "in"))):
        check_dataset(split)
