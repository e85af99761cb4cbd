from pathlib import Path

import numpy as np
import pytest

from py4cast.errors import DataError, SettingsError
from py4cast.workflows.inspect.data import inspect
from tests.command import py4cast
from tests.weather_files import describe, wave_fields, write_json, write_netcdf


@pytest.fixture
def store(tmp_path: Path) -> Path:
    t, u = wave_fields(), wave_fields(seed=1)
    u[7:9] = np.nan
    write_netcdf(tmp_path / "in" / "a.nc", {"t": t, "u": u})
    document = describe(
        tmp_path / "in", variables={"t": {}, "u": {"role": "forcing", "nan": "mask"}}, store=str(tmp_path / "s"), store_type="uint16"
    )  # fmt: skip
    done = py4cast("prepare", "--dataset_conf", str(write_json(tmp_path / "d.json", document)), "--num_workers", "2")
    assert done.returncode == 0 and done.stdout.strip() == str(tmp_path / "s"), done.stderr
    assert "u is missing at 2 of 48 instants: 2020-01-01T07:00:00, 2020-01-01T08:00:00" in done.stderr
    return tmp_path / "s"


def test_it_shows_what_a_store_holds(store: Path, tmp_path: Path) -> None:
    done = py4cast("inspect", str(store), "--plot", str(tmp_path / "m.png"), "--time", "2020-01-01T05", "--check")
    assert done.returncode == 0, done.stderr
    for words in (
        "2020-01-01T00:00:00 to 2020-01-02T23:00:00 every 1h, 48 instants", "12 x 16 latitude_longitude", "prognostic", "forcing",
        "missing u: 2020-01-01T07:00:00, 2020-01-01T08:00:00", "lineage digest", "a.nc", "sha256", "uint16, error <=",
        "every plane is whole", "maps of 2020-01-01T05:00:00",
    ):  # fmt: skip
        assert words in done.stdout, words
    assert (tmp_path / "m.png").read_bytes()[:4] == b"\x89PNG"


def test_mistakes_are_one_line(store: Path, tmp_path: Path) -> None:
    for words, status, message in (
        ((str(tmp_path / "none"),), 3, "no such file or store"),
        ((str(store), "--plot", "m.gif"), 2, "expected a name that ends in .png"),
        ((str(store), "--plot", "m.png", "--time", "2021-01-01T00"), 2, "not in the data, which hold 2020-01-01"),
        ((str(store), "--tme", "x"), 2, "unknown flag --tme; did you mean '--time'"),
    ):
        done = py4cast("inspect", *words)
        assert done.returncode == status and message in done.stderr and "Traceback" not in done.stderr, done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    victim = next((store / "t" / "c").rglob("0"))
    path = next(p for p in (store / "t" / "c").rglob("*") if p.is_file())
    data = bytearray(path.read_bytes())
    data[50] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"t of 2020-01-01T00:00:00 is damaged"):
        inspect(store, check=True)
    assert victim.exists()


def test_stores_of_other_tools_and_forecasts(tmp_path: Path) -> None:
    path = write_netcdf(tmp_path / "a.nc", {"t": wave_fields()})
    shown = [str(item) for item in inspect(path)]
    assert shown[0].startswith("Cf ") and "48 instants" in shown[1]
    with pytest.raises(SettingsError, match="for prepared stores"):
        inspect(path, check=True)


def test_flags_of_prepare(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields()})
    conf = str(write_json(tmp_path / "d.json", describe(tmp_path / "in")))
    done = py4cast("prepare", "--dataset_conf", conf, "--num_workers", "0")
    assert done.returncode == 2 and "--num_workers 0: expected at least 1" in done.stderr
    done = py4cast("prepare", "--help")
    assert "--append" in done.stdout and "--scheduler" in done.stdout and "Dask" in done.stdout
