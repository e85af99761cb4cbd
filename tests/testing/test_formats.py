"""Checks of writers and readers: what they accept, and what they refuse by name."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py4cast.errors import DataError
from py4cast.formats import WriterABC
from py4cast.formats.base import Heading, PutStep, ReaderABC, Record
from py4cast.grid import Grid
from py4cast.testing import formats as module
from py4cast.testing.formats import check_reader, check_writer, make_forecast

HOUR = np.timedelta64(3600, "s")
START = np.datetime64("2020-01-01T00", "s")


class Bytes(WriterABC):
    """Values one behind the other."""

    suffixes = (".bytes",)

    @contextmanager
    def _begun(self, temporary: Path) -> Iterator[PutStep]:
        with temporary.open("wb") as file:

            def put(step: int, values: np.ndarray) -> None:
                file.write(values.tobytes())

            yield put

    def begin(self, temporary: Path, heading: Heading) -> AbstractContextManager[PutStep]:
        return self._begun(temporary)


class Endingless(Bytes):
    suffixes = ("bytes",)


class Forgetful(Bytes):
    def write(self, path: Path, forecast: Any) -> None:  # type: ignore[misc]
        """Writes nothing."""


class Hasty(Bytes):
    @contextmanager  # type: ignore[misc]
    def open(self, path: Path, heading: Heading) -> Iterator[Any]:
        path.write_bytes(b"whole")
        yield lambda values: None


class Untidy(Bytes):
    @contextmanager  # type: ignore[misc]
    def open(self, path: Path, heading: Heading) -> Iterator[Any]:
        path.write_bytes(b"half")
        seen: list[Any] = []
        yield seen.append
        if len(seen) < 3:
            raise ValueError("too few")


def test_a_good_writer_is_accepted(tmp_path: Path) -> None:
    check_writer(Bytes, tmp_path)
    (path,) = tmp_path.iterdir()
    assert path.name == "forecast.bytes" and path.read_bytes() == make_forecast().values.tobytes()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Endingless, r"Endingless: suffixes \('bytes',\)"),
        (Forgetful, "Forgetful: wrote nothing"),
        (Hasty, "Hasty: a file of one lead time of three is taken for a whole one"),
        (Untidy, r"Untidy: leaves \['half.bytes'\] of a file that was not finished"),
    ],
)
def test_a_bad_writer_is_refused(kind: type[WriterABC], message: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=message):
        check_writer(kind, tmp_path)


def test_a_forecast_has_members_behind_its_lead_times() -> None:
    assert make_forecast().values.shape == (3, 6, 9, 2)
    ensemble = make_forecast((4, 7))
    assert ensemble.values.shape == (3, 2, 6, 9, 2) and ensemble.heading.shape == (2, 6, 9, 2)
    assert ensemble.values.mean((0, 1, 2, 3)) == pytest.approx([280.0, 1e5], abs=0.2)


class Plane(ReaderABC):
    """One field that is in memory."""

    def records(self) -> list[Record]:
        if self.path.stat().st_size < 10:
            raise DataError(f"{self.path}: cut")
        return [Record("t", 2.0, "heightAboveGround", START, HOUR, None, "K", ())]

    def grid(self, record: Record) -> Grid:
        return Grid(np.array([1.0, 0.0]), np.array([0.0, 1.0, 2.0]))

    def read(self, record: Record) -> np.ndarray:
        return np.array([[1, 2, np.nan], [4, 5, 6]], np.float32)


class Empty(Plane):
    def records(self) -> list[Record]:
        return []


class Turned(Plane):
    def read(self, record: Record) -> np.ndarray:
        return super().read(record).T


class Double(Plane):
    def read(self, record: Record) -> np.ndarray:
        return super().read(record).astype(np.float64)


class Drifting(Plane):
    reads = 0

    def read(self, record: Record) -> np.ndarray:
        self.reads += 1
        return super().read(record) + np.float32(self.reads)


class Nameless(Plane):
    def records(self) -> list[Record]:
        if self.path.stat().st_size < 10:
            raise DataError("cut")
        return super().records()


def checked(kind: type[Plane], folder: Path, monkeypatch: pytest.MonkeyPatch) -> ReaderABC:
    (folder / "f.plane").write_bytes(bytes(20))
    monkeypatch.setattr(module, "open_reader", lambda path, **options: kind(path))
    return check_reader(folder / "f.plane")


def test_a_good_reader_is_accepted_and_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(checked(Plane, tmp_path, monkeypatch), Plane)
    assert [p.name for p in tmp_path.iterdir()] == ["f.plane"], "the broken copy is gone"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Empty, "Empty: no field in .*f.plane"),
        (Turned, r"Turned: t is \(3, 2\), its grid \(2, 3\)"),
        (Double, "Double: t is float64, expected float32"),
        (Drifting, "Drifting: two reads of t differ"),
        (Nameless, "Nameless: cut does not name the file"),
    ],
)
def test_a_bad_reader_is_refused(
    kind: type[Plane], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AssertionError, match=message):
        checked(kind, tmp_path, monkeypatch)
