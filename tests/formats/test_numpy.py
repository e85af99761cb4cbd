from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from py4cast.errors import DataError
from py4cast.formats import ArrayDescription
from py4cast.formats.numpy import NumpyReader, Told, told_by
from py4cast.grid import Grid

GRID = Grid(np.array([50.0, 49.0]), np.array([1.0, 2.0, 3.0]))
HOUR = np.timedelta64(3600, "s")


def described(path: str, **changes: Any) -> ArrayDescription:
    return ArrayDescription(path, GRID, **changes)


def saved(path: Path, values: NDArray[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, values)
    return path


@pytest.mark.parametrize(
    ("pattern", "path", "told"),
    [
        ("%Y%m%d/{name}.npy", "/data/20240229/t2m.npy", ("t2m", "2024-02-29", None)),
        ("{name}_%Y-%m-%dT%H%M%S.npy", "u_10_2024-02-29T183059.npy", ("u_10", "2024-02-29T18:30:59", None)),
        ("%Y/%m/%d_%H.npy", "a/2024/02/29_06.npy", ("sst", "2024-02-29T06", None)),
        ("{member}/{name}/{name}_{member}.npy", "012/t/t_012.npy", ("t", None, 12)),
        ("m{member}.npy", "x/m0.npy", ("sst", None, 0)),
        ("%Y%m/{name}.npy", "202402/t.npy", ("t", None, None)),
        ("{name}(1).npy", "t(1).npy", ("t", None, None)),
    ],
)
def test_a_path_tells_variable_start_and_member(
    pattern: str, path: str, told: tuple[str, str | None, int | None]
) -> None:
    name, time, member = told
    expected = Told(name, None if time is None else np.datetime64(time, "s"), member)
    assert told_by(Path(path), described(pattern, units={"sst": "K", "ice": "1"})) == expected


def test_a_name_that_nothing_tells_is_empty() -> None:
    assert told_by(Path("1.npy"), described("{member}.npy")) == Told("", None, 1)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("{name}.npy", "t.npz"),
        ("{name}.npy", "t_npy"),
        ("%Y/{name}.npy", "x2024/t.npy"),
        ("%Y%m%d.npy", "2024022.npy"),
        ("{name}/{name}.npy", "t/u.npy"),
        ("a/{name}.npy", "a/b/t.npy"),
    ],
)
def test_a_path_that_is_not_as_described_tells_nothing(pattern: str, path: str) -> None:
    assert told_by(Path(path), described(pattern)) is None


def test_a_date_that_is_none_is_refused() -> None:
    with pytest.raises(DataError, match=r"20230229/t\.npy: no valid time in its name"):
        told_by(Path("20230229/t.npy"), described("%Y%m%d/{name}.npy"))


@pytest.mark.parametrize(
    "dims",
    [
        ("lat", "lon"),
        ("lon", "lat"),
        ("lead_time", "lat", "lon"),
        ("lon", "member", "lat", "lead_time"),
        ("member", "lead_time", "lon", "lat"),
    ],
)
def test_every_order_of_dimensions_gives_the_same_fields(tmp_path: Path, dims: tuple[str, ...]) -> None:
    whole = np.arange(2 * 2 * 2 * 3).reshape(2, 2, 2, 3)
    order = ("lead_time", "member", "lat", "lon")
    values = whole[tuple(slice(None) if d in dims else 0 for d in order)]
    kept = [d for d in order if d in dims]
    turned = values.transpose([kept.index(d) for d in dims]).astype(np.int16)
    arrays = described(
        "{name}_%Y%m%d.npy", dims=dims, units={"t": "K"},
        lead_times=(6 * HOUR, np.timedelta64(12, "h")) if "lead_time" in dims else (),
        members=(3, 8) if "member" in dims else (),
    )  # fmt: skip
    reader = NumpyReader(saved(tmp_path / "t_20200101.npy", turned), arrays)
    records = reader.records()
    leads = [6 * HOUR, 12 * HOUR] if "lead_time" in dims else [0 * HOUR]
    members = [3, 8] if "member" in dims else [None]
    assert [(r.lead_time, r.member) for r in records] == [(lead, member) for lead in leads for member in members]
    for record in records:
        i, j = (
            [lead == record.lead_time for lead in leads].index(True),
            [m == record.member for m in members].index(True),
        )
        field = reader.read(record)
        np.testing.assert_array_equal(field, whole[i, j])
        assert field.dtype == np.float32 and field.flags.c_contiguous
        assert (record.short_name, record.units) == ("t", "K")
        assert record.init_time == np.datetime64("2020-01-01", "s")
        assert reader.grid(record) is GRID


def test_the_member_may_stand_in_the_path(tmp_path: Path) -> None:
    path = saved(tmp_path / "5" / "t.npy", np.zeros((2, 3)))
    (record,) = NumpyReader(path, described("{member}/{name}.npy")).records()
    assert (record.member, record.units, record.level) == (5, "", None)


def test_another_path_holds_one_field_without_time(tmp_path: Path) -> None:
    arrays = described("%Y%m%d.npy", dims=("lead_time", "lat", "lon"), lead_times=(HOUR,), units={"orography": "m"})
    reader = NumpyReader(saved(tmp_path / "orography.npy", np.ones((2, 3))), arrays)
    (record,) = reader.records()
    assert (record.short_name, record.units, record.init_time, record.lead_time) == ("orography", "m", None, 0 * HOUR)
    np.testing.assert_array_equal(reader.read(record), np.ones((2, 3)))


def test_an_archive_is_read_by_its_key(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    np.savez(path, first=np.zeros((2, 3)), second=np.ones((2, 3)))
    reader = NumpyReader(path, described("{name}.npz", key="second"))
    np.testing.assert_array_equal(reader.read(reader.records()[0]), np.ones((2, 3)))
    with pytest.raises(DataError, match=r"t\.npz: no array 'third'; it holds first, second"):
        NumpyReader(path, described("{name}.npz", key="third"))
    with pytest.raises(DataError, match=r"t\.npz: holds 2 arrays \(first, second\); choose one by arrays.key"):
        NumpyReader(path, described("{name}.npz"))
    np.savez(path, alone=np.full((2, 3), 7))
    reader = NumpyReader(path, described("{name}.npz"))
    np.testing.assert_array_equal(reader.read(reader.records()[0]), np.full((2, 3), 7))


@pytest.mark.parametrize(
    ("values", "dims", "message"),
    [
        (np.zeros((3, 2)), ("lat", "lon"), r"float64 \(3, 2\), expected numbers \(lat, lon\) of \(2, 3\)"),
        (
            np.zeros((3, 2, 3)),
            ("lead_time", "lat", "lon"),
            r".*expected numbers \(lead_time, lat, lon\) of \(2, 2, 3\)",
        ),
        (np.zeros((2, 3), dtype=bool), ("lat", "lon"), r"bool \(2, 3\), expected numbers"),
        (np.zeros((2, 3), dtype=complex), ("lat", "lon"), r"complex128 \(2, 3\), expected numbers"),
        (np.full((2, 3), None), ("lat", "lon"), "damaged, or no NumPy file: "),
    ],
)
def test_arrays_of_another_shape_or_kind_are_refused(
    tmp_path: Path, values: NDArray[Any], dims: tuple[str, ...], message: str
) -> None:
    arrays = described("{name}.npy", dims=dims, lead_times=(HOUR, 2 * HOUR))
    with pytest.raises(DataError, match=rf"t\.npy: {message}"):
        NumpyReader(saved(tmp_path / "t.npy", values), arrays)


@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_damaged_files_are_named(tmp_path: Path, ending: str) -> None:
    path = saved(tmp_path / "whole.npy", np.zeros((2, 3)))
    damaged = tmp_path / f"t.{ending}"
    damaged.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DataError, match=rf"t\.{ending}: damaged, or no NumPy file: "):
        NumpyReader(damaged, described(f"{{name}}.{ending}"))
