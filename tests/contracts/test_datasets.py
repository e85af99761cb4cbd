"""Every dataset keeps the contract, all three splits, in its service's own layout where it has one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from py4cast.datasets import get_datasets, registry
from py4cast.testing import check_cube, check_dataset
from tests.conftest import SMALL
from tests.contracts.test_strategies import TINY
from tests.datasets import test_poesy, test_rainfall, test_smeagol, test_titan
from tests.services import rainfall_files, titan_files
from tests.weather_files import describe, wave_fields, write_json, write_netcdf

Described = tuple[Path | None, list[str]]


def gridded(folder: Path) -> Described:
    write_netcdf(folder / "in" / "a.nc", {"t": wave_fields()})
    return write_json(folder / "d.json", describe(folder / "in")), []


def virtual(folder: Path) -> Described:
    write_netcdf(folder / "a.nc", {"t": wave_fields(), "u": wave_fields(seed=1)})
    document = describe(folder)
    document = {k: document[k] for k in ("name", "step", "periods") if k in document}
    document |= {"source": {"store": str(folder / "a.nc")}, "variables": {"t": {}, "u": {"role": "diagnostic"}}}
    return write_json(folder / "v.json", document), []


def titan(folder: Path) -> Described:
    for i in range(25):
        titan_files.write_hour(folder / "in", test_titan.START + i * titan_files.HOUR, test_titan.NAMES, (0, 1))
    for name in ("PAAROME_1S40", "PAAROME_1S100"):
        titan_files.write_conf(folder / "in", name)
    return write_json(folder / "t.json", test_titan.describe(folder / "in")), []


def smeagol(folder: Path) -> Described:
    return write_json(folder / "s.json", test_smeagol.describe(test_smeagol.write(folder / "in"))), []


def poesy(folder: Path) -> Described:
    return write_json(folder / "p.json", test_poesy.describe(test_poesy.write(folder / "in"))), []


def rainfall(folder: Path) -> Described:
    rainfall_files.write_mosaics(folder / "in", np.datetime64("2024-01-01T00", "s"), 36)
    return write_json(folder / "r.json", test_rainfall.describe(folder / "in")), []


MAKERS: dict[str, Callable[[Path], Described]] = {
    "dummy": lambda folder: (None, SMALL),
    "gridded": gridded,
    "virtual": virtual,
    "titan": titan,
    "smeagol": smeagol,
    "poesy": poesy,
    "rainfall": rainfall,
    "qg": lambda folder: (None, TINY),
    "stochastic": lambda folder: (None, ["size=16", "num_train=20", "num_valid=10", "num_test=10"]),
    "tracks": lambda folder: (
        None,
        [f"flow.{word}" for word in (*TINY, "num_train=16", "num_valid=14", "num_test=14")],
    ),
}


@pytest.mark.parametrize("name", registry.builtin_names)
def test_every_dataset_keeps_the_contract(name: str, tmp_path: Path) -> None:
    path, overrides = MAKERS[name](tmp_path)
    kind = registry.get(name)
    made = kind.make(kind.read_settings(path, overrides))
    splits = get_datasets(name, 2, 1, 1, path, overrides)
    for split in splits:
        check_dataset(split)
        check_cube(split.cube)
    if made is not None:
        assert made.fingerprint == kind.make(kind.read_settings(path, overrides)).fingerprint, "made once"
        check_cube(made)
    assert splits[0].has_boundary is False
