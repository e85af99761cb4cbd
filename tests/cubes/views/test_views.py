from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py4cast.axis import TimeAxis
from py4cast.cubes.base import CubeABC, pairs_of
from py4cast.cubes.memory import MemoryCube
from py4cast.cubes.source_settings import SourceSettings
from py4cast.cubes.sources import open_source
from py4cast.datasets import get_datasets
from py4cast.errors import DataError, SettingsError
from py4cast.grid import Grid
from py4cast.statistics import Stats
from py4cast.variables import Variable
from tests.cubes.store.test_store import prepare
from tests.weather_files import HOUR, START, describe, wave_fields, write_json, write_netcdf

from py4cast.datasets.gridded import Gridded  # isort: skip


def made(
    path: Path, fields: dict[str, np.ndarray], start: np.datetime64 = START, south: float = 45.0, **changes: Any
) -> str:
    """A prepared store of these hourly fields; its folder."""
    write_netcdf(path / "in" / "a.nc", fields, start=start, south=south)
    end = start + (next(iter(fields.values())).shape[0] - 1) * HOUR
    periods = {s: {"start": str(start), "end": str(end)} for s in ("train", "valid", "test")}
    document = describe(
        path / "in", variables={n: {} for n in fields}, periods=periods, store=str(path / "store"), grid={}, **changes
    )
    return str(prepare(Gridded.settings_kls.from_dict(document)).path)


def read(cube: CubeABC, names: list[str] | None = None) -> np.ndarray:
    chosen = names or list(cube.names)
    out = np.empty((len(chosen), cube.axis.size, *cube.shape), dtype=np.float32)
    cube.read(chosen, 0, cube.axis.size, out)
    return out


def open_json(**document: Any) -> CubeABC:
    return open_source(SourceSettings.from_dict(document))


def check_statistics(cube: CubeABC, inside: np.ndarray) -> None:
    """Those of the view are those of its values."""
    values = read(cube).astype(np.float64)
    stats, differences = cube.statistics(inside)
    pairs = np.flatnonzero(pairs_of(cube.axis, inside))
    for row, name in enumerate(cube.names):
        assert stats[name]["mean"] == pytest.approx(np.nanmean(values[row, inside]), rel=1e-9)
        assert stats[name]["std"] == pytest.approx(np.nanstd(values[row, inside]), rel=1e-6)
        step = values[row, pairs] - values[row, pairs - 1]
        assert differences[name]["std"] == pytest.approx(np.nanstd(step), rel=1e-5)
        assert differences[name]["count"] == np.isfinite(step).sum()
        assert (stats[name]["min"], stats[name]["max"]) == pytest.approx(
            (np.nanmin(values[row, inside]), np.nanmax(values[row, inside]))
        )


def test_variables_are_joined_chosen_and_renamed(tmp_path: Path) -> None:
    t, u, v = (wave_fields(48, seed=s) for s in range(3))
    one, two = (
        made(tmp_path / "1", {"t": t, "u": u}),
        made(tmp_path / "2", {"v": v[12:], "u": u[12:]}, start=START + 12 * HOUR),
    )
    cube = open_json(join=[{"store": one, "drop": ["u"], "rename": {"t": "t2m"}}, {"store": two}], select=["v", "t2m"])
    assert cube.names == ["v", "t2m"] and cube.axis.size == 36 and cube.times[0] == START + 12 * HOUR
    np.testing.assert_array_equal(read(cube), np.stack([v[12:], t[12:]]))
    assert cube.variable("t2m").short_name == "t"
    check_statistics(cube, np.arange(36) < 20)
    assert cube.valid_mask(["t2m", "v"]).all() and len(cube.fingerprint) == 64
    with pytest.raises(DataError, match="join: 'u' is in two of the sources; drop or rename one"):
        open_json(join=[{"store": one}, {"store": two}])
    with pytest.raises(SettingsError, match="drop: no variable 'uu'; did you mean 'u'"):
        open_json(store=one, drop=["uu"])
    with pytest.raises(SettingsError, match="rename: two variables would be called the same"):
        open_json(store=one, rename={"u": "t"})


def test_periods_follow_each_other(tmp_path: Path) -> None:
    t = wave_fields(72)
    parts = [
        made(tmp_path / str(i), {"t": t[a:b]}, start=START + a * HOUR)
        for i, (a, b) in enumerate(((0, 24), (24, 50), (52, 72)))
    ]
    cube = open_json(concat=[{"store": p} for p in parts[:2]])
    np.testing.assert_array_equal(read(cube)[0], t[:50])
    check_statistics(cube, (np.arange(50) > 5) & (np.arange(50) < 40))
    with pytest.raises(
        DataError, match=r"is followed by 2020-01-03T04:00:00, not by one step of 1h; set \"fill_missing\""
    ):
        open_json(concat=[{"store": p} for p in parts])
    whole = open_json(concat=[{"store": p} for p in parts], fill_missing=True)
    assert np.flatnonzero(~whole.available(["t"])).tolist() == [50, 51] and np.isnan(read(whole)[0, 50:52]).all()
    check_statistics(whole, np.ones(72, dtype=bool))
    with pytest.raises(DataError, match="cut one with start or end"):
        open_json(concat=[{"store": parts[0]}, {"store": parts[0]}])


def test_start_end_and_frequency(tmp_path: Path) -> None:
    t = wave_fields(72)
    store = made(tmp_path, {"t": t})
    cube = open_json(store=store, start="2020-01-01T06", end="2020-01-03", frequency="6h")
    np.testing.assert_array_equal(read(cube)[0], t[6:72:6])
    assert cube.axis.step == 6 * HOUR
    check_statistics(cube, np.ones(11, dtype=bool))
    check_statistics(open_json(store=store, start="2020-01-01T06"), np.arange(66) < 30)
    with pytest.raises(SettingsError, match="frequency 90min: no multiple of the source's step, 1h"):
        open_json(store=store, frequency="90min")
    with pytest.raises(DataError, match="nothing from 2021-01-01 to the end; the source holds 2020-01-01"):
        open_json(store=store, start="2021-01-01")


def test_windows_and_thinning(tmp_path: Path) -> None:
    t = wave_fields(48)
    store = made(tmp_path, {"t": t})
    cube = open_json(store=store, subgrid=[2, 10, 3, 15], thinning=2)
    for _ in range(2):  # from the file, then from the mapping
        np.testing.assert_array_equal(read(cube)[0], t[:, 2:10:2, 3:15:2])
    assert cube.grid.shape == (4, 6) and cube.grid.latitude[1] == 45 + 0.5 * 7
    check_statistics(cube, np.arange(48) < 24)
    box = open_json(store=store, box={"south": 46, "north": 48, "west": -2, "east": 1})
    assert box.grid.latitude.min() >= 46 and box.grid.longitude.max() <= 1
    with pytest.raises(SettingsError, match=r"subgrid \[0, 99, 0, 4\]: outside the grid of 12 x 16 cells"):
        open_json(store=store, subgrid=[0, 99, 0, 4])
    with pytest.raises(SettingsError, match="give subgrid or box, not both"):
        open_json(store=store, subgrid=[0, 9, 0, 4], box={"south": 46, "north": 48, "west": -2, "east": 1})


def linear(grid: Grid, name: str = "t", count: int = 6) -> MemoryCube:
    """2·lat + 3·lon + hour on a grid."""
    field = 2 * grid.latitude_2d() + 3 * grid.longitude_2d()
    values = (field[None] + np.arange(count)[:, None, None])[None].astype(np.float32)
    axis = TimeAxis.series(START + np.arange(count) * HOUR)
    return MemoryCube([Variable(name=name, units="K")], axis, grid, values)


def test_a_coarse_source_comes_to_the_fine_grid_and_a_region_into_a_larger_one() -> None:
    from py4cast.cubes.views import CutoutCube, JoinCube, RegridCube

    fine, coarse = (
        Grid(np.linspace(50, 46, 17), np.linspace(0, 4, 17)),
        Grid(np.linspace(60, 40, 21), np.linspace(-10, 15, 26)),
    )
    regridded = RegridCube(linear(coarse, "driver"), fine, "linear")
    np.testing.assert_allclose(read(regridded), read(linear(fine)), rtol=1e-5)
    joined = JoinCube([linear(fine), regridded])
    assert joined.names == ["t", "driver"] and joined.shape == (17, 17)
    check_statistics(joined, np.ones(6, dtype=bool))
    with pytest.raises(DataError, match="does not cover"):
        RegridCube(linear(fine), coarse, "linear")
    region = linear(fine)
    region._values += 100
    cut = CutoutCube([region, linear(coarse)], coarse, "nearest")
    values, inside = (
        read(cut)[0, 0],
        (coarse.latitude_2d() <= 50)
        & (coarse.latitude_2d() >= 46)
        & (coarse.longitude_2d() >= 0)
        & (coarse.longitude_2d() <= 4),
    )
    np.testing.assert_allclose(values - read(linear(coarse))[0, 0], np.where(inside, 100, 0), atol=1e-4)
    onto = CutoutCube([region, linear(coarse)], Grid(np.linspace(52, 44, 33), np.linspace(-2, 6, 33)), "linear")
    assert onto.shape == (33, 33) and np.isfinite(read(onto)).all()
    with pytest.raises(DataError, match=r"cutout: \d+ of 546 cells of .* lie on none of the sources"):
        CutoutCube([linear(fine), linear(Grid(np.linspace(60, 52, 9), np.linspace(-10, 15, 26)))], coarse, "linear")


def test_members_are_chosen(tmp_path: Path) -> None:
    from py4cast.cubes.views import ConcatCube, MembersCube, TimesCube

    grid = Grid(np.linspace(50, 46, 5), np.linspace(0, 4, 6))
    rng = np.random.default_rng(0)

    def ensemble(first: int) -> MemoryCube:
        axis = TimeAxis.forecasts(START + (first + np.arange(2)) * 12 * HOUR, np.arange(4) * HOUR, (0, 3, 8))
        return MemoryCube(
            [Variable(name="t", units="K")], axis, grid, rng.standard_normal((1, 24, 5, 6)).astype(np.float32)
        )

    parts = [ensemble(0), ensemble(2)]
    cube = ConcatCube(parts)
    assert cube.axis.shape == (4, 3, 4)
    np.testing.assert_array_equal(read(cube), np.concatenate([read(p) for p in parts], axis=1))
    check_statistics(cube, np.ones(48, dtype=bool))
    chosen = MembersCube(cube, (8, 0))
    expected = read(cube)[0].reshape(4, 3, 4, 5, 6)[:, [2, 0]].reshape(-1, 5, 6)
    np.testing.assert_array_equal(read(chosen)[0], expected)
    check_statistics(chosen, chosen.axis.runs % 2 == 0)
    thinned = TimesCube.choose(chosen, "2020-01-01T12", None, "2h")
    np.testing.assert_array_equal(read(thinned)[0], expected.reshape(4, 2, 4, 5, 6)[1:, :, ::2].reshape(-1, 5, 6))
    with pytest.raises(SettingsError, match="no member 5"):
        MembersCube(cube, (5,))


def test_a_dataset_of_a_join_gives_the_values_of_its_stores(tmp_path: Path) -> None:
    t, u = wave_fields(48), wave_fields(48, seed=1)
    one, two = made(tmp_path / "1", {"t": t}), made(tmp_path / "2", {"u": u})
    document = describe(
        tmp_path, source={"join": [{"store": one}, {"store": two}]}, grid={"border_size": 1, "subgrid": [0, 10, 0, 16]}
    )
    for key in ("files", "root"):
        document.pop(key)
    document["variables"] = {"t": {"weight": 3.0}, "u": {"role": "forcing"}}
    train, _, _ = get_datasets("virtual", 2, 1, 2, write_json(tmp_path / "v.json", document))
    assert train.info.prognostic == ["t"] and train.info.forcing == ["u", "sin_hour", "cos_hour"]
    assert train.info.state_weights == {"t": 3.0} and train.info.grid.shape == (10, 16)
    np.testing.assert_array_equal(train[3].inputs["t"][..., 0], t[3:5, :10])
    np.testing.assert_array_equal(train[3].forcing["u"][0, ..., 0], u[5, :10])
    assert train.info.stats["t"]["mean"] == pytest.approx(t[:24, :10].astype(np.float64).mean(), rel=1e-9)
    with pytest.raises(SettingsError, match=r"variables\.tt: not in the source; did you mean 't'"):
        get_datasets("virtual", 2, 1, 2, write_json(tmp_path / "w.json", {**document, "variables": {"tt": {}}}))
    with pytest.raises(SettingsError, match="give one of store, join, concat, cutout, found none"):
        get_datasets("virtual", 2, 1, 2, write_json(tmp_path / "w.json", {**document, "source": {}}))
    with pytest.raises(SettingsError, match=r"'\.\.' is refused"):
        get_datasets("virtual", 2, 1, 2, write_json(tmp_path / "w.json", {**document, "source": {"store": "../x"}}))


def test_statistics_of_parts_merge_exactly() -> None:
    values = np.random.default_rng(0).standard_normal(1000) + 5
    from py4cast.statistics import moments

    parts = [Stats.from_moments(["x"], moments(values[None, a:b])) for a, b in ((0, 10), (10, 700), (700, 1000))]
    merged = Stats.merged([*parts, Stats.from_moments(["x"], np.array([[0, 0, 0, np.inf, -np.inf]]))], ["x"])
    assert merged["x"]["std"] == pytest.approx(values.std(), rel=1e-12) and merged["x"]["count"] == 1000
    assert (merged["x"]["min"], merged["x"]["max"]) == (values.min(), values.max())
