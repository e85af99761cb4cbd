"""Regridding weights are made once; a damaged file is made again, a forged one harms nobody."""

import logging

import numpy as np
import pytest

from py4cast import regrid
from py4cast.formats.reduced import octahedral
from py4cast.grid import Grid
from py4cast.kept_weights import weights_path
from py4cast.regrid import Regridder

SOURCE = octahedral(8)
TARGET = Grid(np.linspace(80, -80, 17), np.arange(0, 360, 10.0))
FIELD = np.random.default_rng(0).standard_normal(SOURCE.shape).astype(np.float32)


@pytest.mark.parametrize("method", ["linear", "nearest", "mean"])
def test_weights_are_made_once(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Regridder(SOURCE, TARGET, method)  # type: ignore[arg-type]
    monkeypatch.setattr(regrid.Regridder, "_made", lambda _: pytest.fail("made again"))
    again = Regridder(SOURCE, TARGET, method)  # type: ignore[arg-type]
    np.testing.assert_array_equal(first(FIELD), again(FIELD))
    np.testing.assert_array_equal(first.covered, again.covered)


def test_all_that_shapes_them_names_them() -> None:
    moved = Grid.points(SOURCE.latitude[0], SOURCE.longitude[0] + 1e-3, SOURCE.areas)
    other_areas = Grid.points(SOURCE.latitude[0], SOURCE.longitude[0], 2 * SOURCE.areas)
    cases = [(SOURCE, TARGET, "mean"), (SOURCE, TARGET, "linear"), (moved, TARGET, "mean"), (other_areas, TARGET, "mean"), (TARGET, SOURCE, "mean")]  # fmt: skip
    assert len({weights_path(*case) for case in cases}) == len(cases)


def test_damaged_and_forged_files_are_made_again(caplog: pytest.LogCaptureFixture) -> None:
    expected = Regridder(SOURCE, TARGET, "mean")(FIELD)
    path = weights_path(SOURCE, TARGET, "mean")
    whole = path.read_bytes()
    with np.load(path) as arrays:
        kept = dict(arrays)
    far = {**kept, "indices": kept["indices"] + 10**6}
    for forged in (whole[:200], b"nonsense", far, {**kept, "covered": kept["covered"][:3]}, {"data": kept["data"]}):
        if isinstance(forged, bytes):
            path.write_bytes(forged)
        else:
            np.savez(path, **forged)
        with caplog.at_level(logging.WARNING):
            np.testing.assert_array_equal(Regridder(SOURCE, TARGET, "mean")(FIELD), expected)
        assert "damaged, made again" in caplog.text
        caplog.clear()
        assert path.read_bytes()[:2] == b"PK"


def test_a_cache_that_cannot_be_written_costs_time_alone(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError("read-only")

    monkeypatch.setattr("py4cast.kept_arrays.atomic_path", refused)
    with caplog.at_level(logging.WARNING):
        assert Regridder(octahedral(6), TARGET, "mean").covered.all()
    assert "not kept in the cache: read-only" in caplog.text
