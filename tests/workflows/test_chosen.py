"""What is drawn of files: members and differences of directions, which turn back to their beginning; fields by their keys."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import eccodes
import numpy as np
import pytest

from py4cast.axis import TimeAxis
from py4cast.cubes.memory import MemoryCube
from py4cast.errors import DataError, SettingsError
from py4cast.formats import Fields, writer_for
from py4cast.grid import Grid
from py4cast.variables import Variable
from py4cast.workflows.charts.run import chart
from py4cast.workflows.chosen import (
    chosen_variables,
    difference_of,
    in_columns,
    isolines_of,
    mean_of,
    members_at,
    open_shown,
    wind_of,
)

DD = Variable(name="dd", units="degree", standard_name="wind_from_direction")
T = Variable(name="t", units="K")


def cube(variable: Variable, members: list[float]) -> MemoryCube:
    start, lead = np.array(["2020-01-01"], "datetime64[s]"), np.array([6], "timedelta64[h]").astype("timedelta64[s]")
    axis = TimeAxis.forecasts(start, lead, tuple(range(len(members))))
    values = np.array(members, np.float32)[None, :, None, None] + np.zeros((1, len(members), 1, 2), np.float32)
    return MemoryCube([variable], axis, Grid(np.array([50.0]), np.array([0.0, 1.0])), values)


@pytest.mark.parametrize(("members", "mean"), [([350.0, 10.0], 0.0), ([355.0, 355.0, 15.0], 1.62), ([170.0, 190.0], 180.0)])  # fmt: skip
def test_members_of_a_direction_stand_beside_each_other(members: list[float], mean: float) -> None:
    found = members_at(cube(DD, members), "dd", range(len(members)))
    assert np.ptp(found[:, 0, 0]) == pytest.approx(20.0, abs=1e-3), "no gap of a whole turn between them"
    np.testing.assert_allclose(found[:, 0, 0] % 360, members, atol=1e-3)
    middle = float(mean_of(DD, found)[0, 0])
    assert 0 <= middle < 360 and min(abs(middle - mean), 360 - abs(middle - mean)) < 0.1
    np.testing.assert_array_equal(members_at(cube(T, members), "t", range(len(members)))[:, 0, 0], np.float32(members))


def test_a_difference_of_directions_is_the_shorter_arc() -> None:
    first, second = np.array([350.0, 10.0, 90.0]), np.array([10.0, 350.0, 45.0])
    np.testing.assert_allclose(difference_of(DD, first, second), [-20.0, 20.0, 45.0])
    np.testing.assert_allclose(difference_of(T, first, second), [340.0, -340.0, 45.0])


def test_the_wind_is_that_of_the_level_that_is_drawn() -> None:
    levels = [(10.0, "heightAboveGround"), (500.0, "isobaricInhPa"), (850.0, "isobaricInhPa")]
    parts = [
        Variable(
            name=f"{part}{level:g}", units="m s-1", standard_name=f"{way}ward_wind", level=level, type_of_level=kind
        )
        for level, kind in levels
        for part, way in (("u", "east"), ("v", "north"))
    ]
    series = TimeAxis.series(np.array(["2020-01-01"], "datetime64[s]"))
    held = MemoryCube(parts, series, Grid(np.array([50.0]), np.array([0.0, 1.0])), np.zeros((6, 1, 1, 2), np.float32))
    at_500, at_850 = (Variable(name="t", level=level, type_of_level="isobaricInhPa") for level in (500.0, 850.0))

    def chosen(*beside: Variable) -> str:
        pair = wind_of(held, "auto", beside)
        assert pair is not None
        return pair[0].name

    assert chosen() == "u10" and chosen(at_500) == "u500" and chosen(at_850) == "u850"
    assert chosen(at_500, at_850) == "u10", "of several levels none is meant"


def message(path: Path, grid: Grid, short_name: str, value: float, **keys: int) -> None:
    """One more field of a file, of one value everywhere."""
    known = {"u": ("10u", 10.0, "heightAboveGround"), "t": ("2t", 2.0, "heightAboveGround")}
    short, level, kind = known[short_name]
    variable = Variable(name=short_name, short_name=short, level=level, type_of_level=kind, units="")
    values = np.full((1, *grid.shape, 1), value, np.float32)
    part = path.with_name("part.grib2")
    start, lead = np.datetime64("2020-01-01T00", "s"), np.timedelta64(3600, "s")
    writer_for(part).write(part, Fields(values, [variable], grid, start, [lead]))
    with part.open("rb") as stream:
        handle = eccodes.codes_grib_new_from_file(stream)
    part.unlink()
    for key, wanted in keys.items():
        eccodes.codes_set(handle, key, wanted)
    with path.open("ab") as stream:
        eccodes.codes_write(handle, stream)
    eccodes.codes_release(handle)


FINE, COARSE = (Grid(np.linspace(50, 45, n), np.linspace(0, 5, n)) for n in (11, 6))


def test_files_with_several_fields_of_a_name_are_looked_at_by_their_keys(tmp_path: Path) -> None:
    path = tmp_path / "f.grib2"
    message(path, FINE, "t", 281.0)
    message(path, COARSE, "t", 282.0)
    with pytest.raises(
        DataError, match="grids differ .* choose the fields of one grid by --where, such as .* --where Ni="
    ):
        open_shown([path])
    for count, value in ((11, 281.0), (6, 282.0)):
        held = open_shown([path], where={"Ni": str(count)})
        assert held.shape == (count, count)
        np.testing.assert_array_equal(members_at(held, held.names[0], [0]), np.full((1, count, count), value))
        held.close()
    with pytest.raises(SettingsError, match="where: 'NI' is no key of the fields of"):
        open_shown([path], where={"NI": 11})
    with pytest.raises(DataError, match="no field with a time and Ni=12"):
        open_shown([path], where={"Ni": 12})


def test_what_is_not_asked_for_is_not_in_the_way(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "f.grib2"
    message(path, FINE, "t", 281.0)
    message(path, COARSE, "u", 12.0)
    with pytest.raises(DataError, match="or by --variables"):
        open_shown([path])
    for asked in (["2t", "auto", "none"], ["t2m"]):  # the second by the other name that it has
        held = open_shown([path], asked)
        assert held.names == ["2t"]
        held.close()
    assert "the other variables of the files are left out: grids differ" in caplog.text
    with pytest.raises(SettingsError, match="variables 3t: not in the files.*2t"):
        open_shown([path], ["3t"])


def test_of_columns_it_is_told_why_the_files_cannot_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "f.grib2"
    message(path, FINE, "t", 281.0)
    message(path, COARSE, "t", 282.0)
    with pytest.raises(DataError, match="grids differ .* --where"):
        chart("profile", [path], tmp_path / "x.png", ["temperature"], at="48,2")


def test_fields_that_a_key_tells_apart_are_told_with_the_flag(tmp_path: Path) -> None:
    path = tmp_path / "f.grib2"
    for value, kind in ((290.0, 1), (280.0, 0)):
        message(path, FINE, "t", value, typeOfProcessedData=kind)
    with pytest.raises(DataError, match=r"differ in dataType: .*; choose by --where dataType=an$"):
        open_shown([path])
    held = open_shown([path], where={"dataType": "an"})
    assert float(members_at(held, held.names[0], [0]).mean()) == 280.0
    held.close()


def of(name: str, **words: Any) -> Variable:
    return Variable(name=name, short_name=name, **words)


def held(*variables: Variable) -> MemoryCube:
    series = TimeAxis.series(np.array(["2020-01-01"], "datetime64[s]"))
    return MemoryCube(variables, series, Grid(np.array([50.0]), np.array([0.0, 1.0])), np.zeros((len(variables), 1, 1, 2), np.float32))  # fmt: skip


@pytest.mark.parametrize(
    ("variable", "is_drawn"),
    [
        (of("msl", units="Pa", type_of_level="surface", level=0.0), True),  # as GRIB 1 has it
        (of("msl", units="Pa", type_of_level="meanSea", level=0.0), True),
        (of("pres", units="Pa", type_of_level="heightAboveSea", level=0.0), True),
        (of("pres", units="Pa", type_of_level="surface", level=0.0), False),
        (of("sp", units="Pa", type_of_level="surface", level=0.0), False),
        (of("z", units="m2 s-2", type_of_level="surface", level=0.0), False),
    ],
)
def test_isobars_are_of_the_pressure_at_the_sea(variable: Variable, is_drawn: bool) -> None:
    assert (isolines_of(held(variable), "auto") is not None) == is_drawn


def test_a_current_is_drawn_where_it_is_asked_for() -> None:
    pair = [
        of(n, units="m s-1", standard_name=f"{way}ward_sea_water_velocity")
        for n, way in (("uo", "east"), ("vo", "north"))
    ]
    cube_of_sea = held(*pair)
    assert wind_of(cube_of_sea, "auto") is None
    assert [v.name for v in wind_of(cube_of_sea, "vo") or ()] == ["uo", "vo"]


def test_one_name_means_all_levels() -> None:
    levels = [of("t", level=p, type_of_level="isobaricInhPa") for p in (500.0, 850.0)]
    columns = held(*(replace(v, name=f"t_{v.level:g}") for v in levels), of("tcc"))
    assert in_columns(columns, ["t", "tcc", "t_500", "odd"]) == ["t_500", "t_850", "tcc", "t_500", "odd"]


def test_what_nobody_knows_is_told(caplog: pytest.LogCaptureFixture) -> None:
    cube_of_odd = held(of("foo"), of("t", units="K"))
    chosen_variables(cube_of_odd, [], 4)
    assert "foo: what it is nobody knows without a CF name" in caplog.text and "t," not in caplog.text
