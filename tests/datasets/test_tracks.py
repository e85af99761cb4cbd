import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from py4cast.axis import TimeAxis
from py4cast.cubes.memory import MemoryCube
from py4cast.datasets.qg.settings import QgSettings
from py4cast.datasets.tracks import ObservedCube, Tracks, TracksSettings, passes
from py4cast.grid import Grid
from py4cast.variables import Variable
from tests.weather_files import HOUR, START

FLOW: dict[str, Any] = {
    "fine": 32, "coarse": 16, "step": 0.02, "spinup": 1.0, "num_train": 8, "num_valid": 7, "num_test": 7,
}  # fmt: skip
SIZE, COUNT = 16, 9


def settings(**changes: Any) -> TracksSettings:
    return TracksSettings(flow=QgSettings(**FLOW), **{"num_satellites": 3, "window": 2, **changes})


def flow(missing: int | None = None) -> MemoryCube:
    values = np.random.default_rng(0).normal(size=(2, COUNT, SIZE, SIZE)).astype(np.float32)
    if missing is not None:
        values[1, missing] = np.nan
    variables = [
        Variable(name="vorticity", units="s-1"),
        Variable(name="stream_function", role="diagnostic", units="m2 s-1"),
    ]
    return MemoryCube(variables, TimeAxis.series(START + np.arange(COUNT) * HOUR), Grid.plane(SIZE, 1e6), values)


def planes(cube: ObservedCube, names: list[str], start: int, stop: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    out = np.full((len(names), stop - start, SIZE, SIZE), 7, dtype=np.float32)
    cube.read(names, start, stop, out)
    return out


@pytest.mark.parametrize("slope", [30.0, 45.0, 70.0])
@pytest.mark.parametrize("instant", [0, 1, 5, 12345])
def test_a_pass_is_a_straight_line_across_the_square(slope: float, instant: int) -> None:
    seen = passes(settings(num_satellites=1, slope=slope), SIZE, instant)
    direction = 1 if instant % 2 else -1
    begin = SIZE * ((instant * (math.sqrt(5) - 1) / 2) % 1.0)
    rows, columns = np.nonzero(seen)
    assert set(rows) == set(range(SIZE)), "every circle of latitude is crossed"
    # a cell that is seen holds a part of the line x = begin ± y / tan(slope), on the doubly periodic square
    per_row = 1 / math.tan(math.radians(slope))
    low = begin + direction * per_row * (rows + (0 if direction > 0 else 1))
    gap = (columns - low + SIZE / 2) % SIZE - SIZE / 2
    assert (gap > -1).all() and (gap < per_row + 1e-9).all()


def test_satellites_have_passes_of_their_own_and_instants_others() -> None:
    one, three = (passes(settings(num_satellites=n), 64, 4) for n in (1, 3))
    assert one.sum() < three.sum() <= 3 * 1.5 * one.sum()
    assert (passes(settings(), 64, 5) != three).any()
    np.testing.assert_array_equal(passes(settings(), 64, 4), three)


def test_what_is_seen_is_the_field_of_its_instant_and_noise() -> None:
    cube = ObservedCube(flow(), settings(noise=0.5), scale=0.01, seed=0)
    assert cube.names == ["stream_function", "observed_m2", "observed_m1", "observed_0", "observed_p1", "observed_p2"]
    assert [v.role for v in cube.variables] == ["prognostic", *["forcing"] * 5]
    assert {v.units for v in cube.variables} == {"m2 s-1"} and cube.shape == (SIZE, SIZE)
    fields = planes(cube, cube.names, 2, 7)
    truth = np.empty((1, COUNT, SIZE, SIZE), dtype=np.float32)
    flow().read(["stream_function"], 0, COUNT, truth)
    np.testing.assert_array_equal(fields[0], truth[0, 2:7])
    errors = []
    for row, offset in enumerate(range(-2, 3), 1):
        for place, index in enumerate(range(2, 7)):
            seen = passes(cube.settings, SIZE, index + offset)
            np.testing.assert_array_equal(np.isfinite(fields[row, place]), seen)
            errors.append((fields[row, place] - truth[0, index + offset])[seen])
    spread = np.concatenate(errors)
    assert spread.std() == pytest.approx(0.005, rel=0.1) and abs(spread.mean()) < 1e-3


def test_an_instant_is_seen_alike_from_wherever_it_is_read() -> None:
    cube = ObservedCube(flow(), settings(), scale=1.0, seed=1)
    whole = planes(cube, ["observed_m1", "observed_0", "observed_p2"], 0, COUNT)
    np.testing.assert_array_equal(whole[0, 1:], whole[1, :-1])
    np.testing.assert_array_equal(whole[2, :-2], whole[1, 2:])
    assert np.isnan(whole[0, 0]).all() and np.isnan(whole[2, -2:]).all(), "there is nothing before and after"
    for index in range(COUNT):
        np.testing.assert_array_equal(planes(cube, ["observed_0"], index, index + 1)[0, 0], whole[1, index])
    other = ObservedCube(flow(), settings(), scale=1.0, seed=2)
    assert (np.isfinite(planes(other, ["observed_0"], 0, 1)) != np.isfinite(whole[1, :1])).any()


def test_without_noise_the_truth_is_seen() -> None:
    cube = ObservedCube(flow(), settings(noise=0.0, window=0), scale=1.0, seed=0)
    field, seen = planes(cube, ["stream_function", "observed_0"], 3, 4)[:, 0]
    np.testing.assert_array_equal(seen[np.isfinite(seen)], field[np.isfinite(seen)])
    assert cube.names == ["stream_function", "observed_0"]


def test_observations_are_there_where_the_instant_they_are_of_is() -> None:
    cube = ObservedCube(flow(), settings(), scale=1.0, seed=0)
    expected = np.arange(COUNT)
    assert (cube.available(["stream_function"])).all()
    np.testing.assert_array_equal(cube.available(["observed_m2"]), expected >= 2)
    np.testing.assert_array_equal(
        cube.available(["observed_m1", "observed_p2"]), (expected >= 1) & (expected < COUNT - 2)
    )


def test_a_cube_is_known_by_its_flow_its_satellites_and_its_seed() -> None:
    known = ObservedCube(flow(), settings(), 1.0, 0).fingerprint
    assert ObservedCube(flow(), settings(), 1.0, 0).fingerprint == known
    others = [
        ObservedCube(flow(missing=3), settings(), 1.0, 0), ObservedCube(flow(), settings(noise=0.3), 1.0, 0),
        ObservedCube(flow(), settings(), 1.0, 1),
    ]  # fmt: skip
    assert known not in {other.fingerprint for other in others}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_satellites": 0}, "num_satellites must be at least 1"),
        ({"window": -1}, "window and noise not negative"),
        ({"noise": -0.1}, "window and noise not negative"),
        ({"slope": 0.0}, "slope within 0 to 90"),
        ({"slope": 90.0}, "slope within 0 to 90"),
        ({"window": 3}, "flow: every split needs at least 9 instants for a window of 3"),
        ({"flow": QgSettings(**FLOW, num_runs=2)}, "flow: expected one run with the diagnostic stream_function"),
        ({"flow": QgSettings(**FLOW, diagnostics=("subgrid_tendency",))}, "flow: expected one run with the diagnostic"),
    ],
)
def test_settings_that_show_nothing_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(settings(), **changes)


def test_splits_are_observed_flows_of_their_own() -> None:
    splits = Tracks.splits(settings(window=1), 1, 1, 1)
    info = splits[0].info
    # a state, the instant after it, and one more on whose observations it is mapped
    assert [len(split) for split in splits] == [6, 5, 5]
    assert info.prognostic == ["stream_function"] and info.forcing == ["observed_m1", "observed_0", "observed_p1"]
    assert all(info.stats[name] == info.stats["stream_function"] for name in info.forcing)
    assert info.lineage["dataset"] == "tracks" and info.name == "tracks"
    item = splits[2][0]
    assert item.outputs is not None and item.forcing is not None
    target, observed = item.outputs.tensor[0, ..., 0], item.forcing["observed_0"][0, ..., 0]
    seen = observed.isfinite()
    error = (observed - target)[seen]
    assert 0 < seen.float().mean() < 1
    assert float(error.std()) == pytest.approx(0.02 * info.stats["stream_function"]["std"], rel=0.5)
