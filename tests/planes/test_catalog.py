import subprocess
import sys
from pathlib import Path

import pytest

from py4cast.errors import DataError, SettingsError
from py4cast.planes.catalog import expand_patterns


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a_20200101.nc", "a_20200102.nc", "b/c_2020.grib", "a_2020010x.nc"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "z.zarr").mkdir()
    (tmp_path / "z.zarr" / "zarr.json").write_text("{}")
    (tmp_path / "plain").mkdir()
    return tmp_path


def names(folder: Path, *patterns: str) -> list[str]:
    return [str(p.relative_to(folder)) for p in expand_patterns(folder, patterns)]


def test_codes_of_time_stand_for_digits(folder: Path) -> None:
    assert names(folder, "a_%Y%m%d.nc") == ["a_20200101.nc", "a_20200102.nc"]
    assert names(folder, "**/c_%Y.grib") == ["b/c_2020.grib"]


def test_files_stand_once_and_stores_are_files(folder: Path) -> None:
    assert names(folder, "a_*1.nc", "a_2020010?.nc") == ["a_20200101.nc", "a_20200102.nc", "a_2020010x.nc"]
    assert names(folder, "*") == ["a_20200101.nc", "a_20200102.nc", "a_2020010x.nc", "z.zarr"]


def test_an_absolute_pattern_leaves_the_folder_aside(folder: Path) -> None:
    assert expand_patterns(Path("nowhere"), [str(folder / "a_%Y%m%d.nc")])[0].name == "a_20200101.nc"


def test_nothing_and_a_way_out_are_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"no file matches 'x_%Y\.nc' under .*; give the folder by --set dataset\.root"):
        expand_patterns(folder, ["x_%Y.nc"])
    with pytest.raises(SettingsError, match=r"files '\.\./a\.nc': '\.\.' is refused"):
        expand_patterns(folder, ["../a.nc"])


def test_a_process_that_scans_and_reads_grib_loads_no_xarray() -> None:
    code = (
        "import sys, py4cast.planes.catalog, py4cast.planes.reader, py4cast.cubes.store.blocks, py4cast.formats.grib; "
    )
    code += "print(sorted({'torch', 'scipy', 'xarray', 'pandas', 'zarr', 'fsspec'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", "every worker of a preparation waits for what it imports"
