import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from py4cast.cubes.foreign.base import ForeignCube
from py4cast.errors import DataError
from py4cast.testing import check_cube
from py4cast.variables import Variable
from tests.cubes.numbered import GRID, hours, planes_of, value


class NumberedCube(ForeignCube):
    """A store that is a text file: the number of its instants; the third one cannot be read."""

    @classmethod
    def fits(cls, path: Path) -> bool:
        return path.suffix == ".txt"

    def open(self) -> None:
        self.axis, self.variables = hours(0, int(self.path.read_text())), [Variable(name="t"), Variable(name="u")]
        self._grid = GRID

    def plane_block(self, name: str, start: int, stop: int) -> NDArray[Any]:
        if start <= 2 < stop:
            raise KeyError("chunk 2 is lost\nsecond line")
        return np.stack([value("tu".index(name), i) for i in range(start, stop)]).astype(np.float64)


def store(folder: Path, text: str, name: str = "a.txt") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_a_kind_reads_its_own_blocks(tmp_path: Path) -> None:
    cube = NumberedCube(store(tmp_path, "2"))
    np.testing.assert_array_equal(planes_of(cube, ["u", "t"]), [[value(v, i) for i in (0, 1)] for v in (1, 0)])
    assert cube.available(["t"]).tolist() == [True, True] and cube.grid is GRID
    check_cube(cube)


def test_what_cannot_be_read_is_named_with_its_time(tmp_path: Path) -> None:
    cube = NumberedCube(store(tmp_path, "5"))
    with pytest.raises(
        DataError, match=r"a\.txt: u of 2020-01-01T01:00:00 to 2020-01-01T03:00:00 cannot be read: .*chunk 2 is lost"
    ) as told:
        planes_of(cube, ["u"], 1, 4)
    assert "\n" not in str(told.value)
    np.testing.assert_array_equal(planes_of(cube, ["u"], 3, 5)[0], [value(1, 3), value(1, 4)])


def test_an_unknown_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.txt: no variable 'tt'; did you mean 't'"):
        planes_of(NumberedCube(store(tmp_path, "1")), ["tt"])


def test_a_store_that_cannot_be_opened_says_as_what(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.txt: cannot be opened as Numbered: invalid literal for int") as told:
        NumberedCube(store(tmp_path, "one\ntwo"))
    assert told.value.__suppress_context__ and "\n" not in str(told.value)


def test_the_fingerprint_of_a_file_is_of_its_size_and_time(tmp_path: Path) -> None:
    path = store(tmp_path, "2")
    first = NumberedCube(path).fingerprint
    assert NumberedCube(path).fingerprint == first != NumberedCube(store(tmp_path, "2", "b.txt")).fingerprint
    os.utime(path, ns=(0, 10**18))
    assert NumberedCube(path).fingerprint != first
    store(tmp_path, "3 ")
    os.utime(path, ns=(0, 10**18))
    third = NumberedCube(path).fingerprint
    store(tmp_path, "3  ")
    os.utime(path, ns=(0, 10**18))
    assert len({first, third, NumberedCube(path).fingerprint}) == 3


class FolderCube(NumberedCube):
    def open(self) -> None:
        self.axis, self.variables, self._grid = hours(0, 1), [Variable(name="t")], GRID


@pytest.mark.parametrize("name", [".zmetadata", "zarr.json", ".zattrs", ".zgroup"])
def test_the_fingerprint_of_a_folder_is_of_its_metadata(tmp_path: Path, name: str) -> None:
    store(tmp_path, "{}", name)
    first = FolderCube(tmp_path).fingerprint
    assert FolderCube(tmp_path).fingerprint == first
    store(tmp_path, '{"a": 1}', name)
    assert FolderCube(tmp_path).fingerprint != first
