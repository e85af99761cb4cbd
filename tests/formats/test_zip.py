import zipfile
from pathlib import Path

import numpy as np
import pytest

from py4cast.errors import DataError
from py4cast.formats import open_reader
from tests.weather_files import wave_fields, write_netcdf


def packed(folder: Path, *names: str) -> Path:
    """A ZIP archive of one NetCDF file under each of these names, called as the file that it holds."""
    write_netcdf(folder / "made" / "a.nc", {"t": wave_fields()})
    path = folder / "era5.nc"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.write(folder / "made" / "a.nc", name)
    return path


def test_the_one_file_of_an_archive_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PY4CAST_ROOTDIR", str(tmp_path / "root"))
    path = packed(tmp_path, "data_stream-oper.nc")
    for _ in range(2):
        with open_reader(path) as reader, open_reader(tmp_path / "made" / "a.nc") as plain:
            record, other = reader.records()[3], plain.records()[3]
            np.testing.assert_array_equal(reader.read(record), plain.read(other))
    assert len(list((tmp_path / "root" / "cache" / "unpacked").iterdir())) == 1, "unpacked once"


def test_several_files_or_a_damaged_archive_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PY4CAST_ROOTDIR", str(tmp_path / "root"))
    path = packed(tmp_path, "instant.nc", "accum.nc")
    with pytest.raises(DataError, match=r"era5.nc: a ZIP archive of 2 files \(instant.nc, accum.nc\); unpack it first"):
        open_reader(path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="era5.nc: a damaged ZIP archive"):
        open_reader(path)
    path = packed(tmp_path, "instant.nc")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"a ZIP archive that cannot be unpacked: Bad CRC-32"):
        open_reader(path)
    assert not list((tmp_path / "root" / "cache" / "unpacked").glob("*")), "nothing half unpacked stays"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x1f\x8b\x08\x00" + bytes(60), "a gzip-compressed file, no file of fields; unpack it first"),
        (b"BZh9" + bytes(60), "a bzip2-compressed file"),
        (b"\xfd7zXZ\x00" + bytes(60), "an xz-compressed file"),
        (b"\x28\xb5\x2f\xfd" + bytes(60), "a zstd-compressed file"),
        (b"\x0e\x03\x13\x01" + bytes(60), "an HDF4 file"),
    ],
    ids=["gzip", "bzip2", "xz", "zstd", "hdf4"],
)
def test_what_is_packed_is_called_by_its_name(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "a.nc.packed").write_bytes(data)
    with pytest.raises(DataError, match=f"a.nc.packed: {message}"):
        open_reader(tmp_path / "a.nc.packed")
