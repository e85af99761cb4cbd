import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py4cast.axis import Instant
from py4cast.cell_order import CellOrder
from py4cast.cubes.base import Planes
from py4cast.errors import DataError
from py4cast.formats.base import ArrayDescription, Record
from py4cast.grid import Grid
from py4cast.planes import reader as module
from py4cast.planes.filters import registry
from py4cast.planes.filters.base import FilterABC
from py4cast.planes.reader import STATIC, FieldPlace, FieldPlan, PlaneReader, check_plane, run_of
from py4cast.regrid import Regridder
from py4cast.settings import decode
from py4cast.variables import Variable
from tests.cubes.numbered import GRID, value
from tests.weather_files import HOUR, START

ZERO = np.timedelta64(0, "s")
ARRAYS = ArrayDescription("{name}_%Y%m%d%H.npy", GRID)
WHOLE = (slice(0, 3), slice(0, 4))


def analysis(hour: int) -> Instant:
    return START + hour * HOUR, ZERO, None


def field(folder: Path, name: str, hour: int, plane: Planes, lead: int = 0, **keys: Any) -> FieldPlace:
    """A NumPy file of one field; it says what the record says."""
    path = folder / f"{name}_{hour}_{lead}.npy"
    np.save(path, plane)
    record = Record(name, None, None, START + hour * HOUR, lead * HOUR, None, "", (-1, -1), "", "", keys)
    return FieldPlace(path, record)


def made(name: str, **settings: Any) -> FilterABC:
    kind = registry.get(name)
    return kind(decode(kind.settings_kls, settings))


def reader_of(
    plans: Sequence[FieldPlan],
    sources: Mapping[str, Mapping[Instant, FieldPlace]],
    units: Mapping[str, str] | None = None,
    **more: Any,
) -> PlaneReader:
    """The reader on `GRID`; accumulated fields are runs by start."""
    runs: dict[str, Any] = {}
    for name, places in sources.items():
        for source in places.values():
            key = (source.record.init_time, source.record.member)
            runs.setdefault(name, {}).setdefault(key, {})[source.record.lead_time] = source
    window = more.pop("window", WHOLE)
    shape = GRID.rows_columns(*window).shape
    held = {p.variable.name: "" for p in plans} | dict(units or {})
    return PlaneReader(
        plans, sources, runs, held, more.pop("orders", {}), more.pop("regridders", {}), window, shape, ARRAYS
    )


def plane_of(reader: PlaneReader, name: str, instant: Instant) -> Planes:
    plane = reader.read(name, instant)
    assert plane is not None, f"{name} is missing"
    return plane


def plan(name: str, units: str = "", **more: Any) -> FieldPlan:
    keys = {k: more.pop(k) for k in ("nan", "accumulated", "role", "short_name") if k in more}
    return FieldPlan(Variable(name=name, units=units, **keys), **more)


def test_a_field_is_converted_cut_and_turned(tmp_path: Path) -> None:
    source = field(tmp_path, "x", 0, value(0, 0))
    sources, plans = {"x": {analysis(0): source}}, [plan("x", "m")]
    plain = reader_of(plans, sources, {"x": "km"}, window=(slice(1, 3), slice(0, 4, 2)))
    np.testing.assert_allclose(plane_of(plain, "x", analysis(0)), 1000 * value(0, 0)[1:3, ::2], rtol=1e-6)
    turned = reader_of(plans, sources, orders={(source.path, ""): CellOrder(slice(None, None, -1))})
    np.testing.assert_array_equal(turned.read("x", analysis(0)), value(0, 0)[::-1])
    assert plain.shape == (2, 2) and plain.read("x", analysis(1)) is None
    assert plain.has("x", analysis(0)) and not plain.has("x", analysis(1)) and not plain.has("y", analysis(0))
    plain.close()
    turned.close()


def test_a_field_of_another_grid_is_brought_to_this_one_before_it_is_cut(tmp_path: Path) -> None:
    target = Grid(np.array([51.5, 50.5]), np.array([0.5, 1.5, 2.5]))
    regridder = Regridder(GRID, target, "linear")
    sources = {"x": {analysis(0): field(tmp_path, "x", 0, value(0, 0))}}
    window = (slice(1, 2), slice(0, 3))
    reader = reader_of([plan("x")], sources, regridders={("x", ""): regridder}, window=window)
    expected = np.add(1.5 / 4, np.array([0.5, 1.5, 2.5]) / 32)[None]
    np.testing.assert_allclose(plane_of(reader, "x", analysis(0)), expected, rtol=1e-6)


def test_what_is_stored_is_neither_fixed_nor_help(tmp_path: Path) -> None:
    plans = [plan("a"), plan("z", role="static"), plan("h", is_stored=False), plan("b", filter=made("clip", input="h"))]
    assert [v.name for v in reader_of(plans, {}).stored] == ["a", "b"]
    assert plans[0].is_file and not plans[3].is_file


def sums(folder: Path, *hours: float, start: int = 0, **keys: Any) -> dict[Instant, FieldPlace]:
    """Sums since a start, whose planes are these numbers, at the lead times 3 h, 6 h, ... ."""
    leads = [3 * (i + 1) for i in range(len(hours))]
    return {
        (START + start * HOUR, lead * HOUR, None): field(
            folder, "x", start, np.full((3, 4), total, np.float32), lead, **keys
        )
        for lead, total in zip(leads, hours, strict=True)
    }


def test_a_sum_becomes_what_was_added_since_the_lead_time_before(tmp_path: Path) -> None:
    sources = sums(tmp_path, 2.0, 5.0, 5.5)
    sources[START, ZERO, None] = field(tmp_path, "x", 0, np.zeros((3, 4), np.float32))
    reader = reader_of([plan("x", "kg m-2", accumulated=True)], {"x": sources}, {"x": "m"})
    steps = [plane_of(reader, "x", (START, lead * HOUR, None)) for lead in (3, 6, 9)]
    assert [float(s.max()) for s in steps] == pytest.approx([2000.0, 3000.0, 500.0])
    assert reader.read("x", (START, ZERO, None)) is None, "no sum at the start"


def test_a_sum_that_starts_later_is_one_step_as_it_is(tmp_path: Path) -> None:
    reader = reader_of([plan("x", accumulated=True)], {"x": sums(tmp_path, 2.0, 1.0, since=3 * HOUR)})
    assert (plane_of(reader, "x", (START, 6 * HOUR, None)) == 1.0).all()


def test_a_sum_that_falls_is_refused_unless_by_a_hair(tmp_path: Path) -> None:
    reader = reader_of([plan("x", accumulated=True)], {"x": sums(tmp_path, 2.0, 5.0, 4.999, 1.0)})
    assert plane_of(reader, "x", (START, 9 * HOUR, None)).max() == pytest.approx(-0.001, rel=1e-3)
    with pytest.raises(
        DataError,
        match=r'x of 2020-01-01T12:00:00 in .*x_0_12\.npy: the sum .* falls; .* Set "restart" for x \(such as "1d"\), '
        r'or "accumulated": false',
    ):
        reader.read("x", (START, 12 * HOUR, None))


@pytest.mark.parametrize(
    ("hour", "restart", "start", "lead"),
    [(13, 12, 12, 1), (12, 12, 0, 12), (24, 24, 0, 24), (25, 24, 24, 1), (0, 12, -12, 12), (7, 6, 6, 1)],
)
def test_a_sum_runs_up_to_and_with_the_instant_of_its_restart(hour: int, restart: int, start: int, lead: int) -> None:
    record = Record("x", None, None, START + hour * HOUR, ZERO, None, "", ())
    assert run_of(record, restart * HOUR) == (START + start * HOUR, lead * HOUR)
    assert run_of(record, None) == (START + hour * HOUR, ZERO)


def test_a_record_without_time_has_no_run() -> None:
    assert run_of(Record("x", None, None, None, ZERO, None, "", ()), 12 * HOUR) == (None, ZERO)


def test_a_filter_gets_its_arguments_in_its_units_and_gives_those_of_the_variable(tmp_path: Path) -> None:
    sources = {
        "ff": {analysis(0): field(tmp_path, "ff", 0, np.full((3, 4), 36.0, np.float32))},
        "dd": {analysis(0): field(tmp_path, "dd", 0, np.full((3, 4), 270.0, np.float32))},
    }
    wind = made("wind_u", speed="ff", direction="dd")
    plans = [
        plan("ff", "km h-1"), plan("dd", "degrees"),
        plan("u2", "km h-1", filter=wind, inputs={"speed": "ff", "direction": "dd"}),
    ]  # fmt: skip
    reader = reader_of(plans, sources, {"ff": "km h-1", "dd": "degrees"})
    np.testing.assert_allclose(plane_of(reader, "u2", analysis(0)), 36.0, rtol=1e-5)
    assert reader.read("u2", analysis(1)) is None, "an argument is missing"


def test_arguments_that_keep_units_come_in_those_of_the_variable(tmp_path: Path) -> None:
    sources = {"x": {analysis(0): field(tmp_path, "x", 0, value(0, 0))}}
    plans = [plan("x", "km"), plan("y", "m", filter=made("clip", input="x", high=100.0), inputs={"input": "x"})]
    plane = plane_of(reader_of(plans, sources, {"x": "km"}), "y", analysis(0))
    np.testing.assert_allclose(plane, np.minimum(1000 * value(0, 0), 100.0), rtol=1e-6)


def summed(name: str = "x") -> FieldPlan:
    return plan("total", filter=made("sum_over", input=name, step="1h", window="3h"), inputs={"input": name})


def test_a_filter_goes_back_in_time_by_the_start_of_an_analysis_and_the_lead_time_of_a_forecast(
    tmp_path: Path,
) -> None:
    analyses = {analysis(i): field(tmp_path, "x", i, value(0, 2**i)) for i in range(4)}
    total = reader_of([plan("x"), summed()], {"x": analyses}).read("total", analysis(3))
    np.testing.assert_array_equal(total, value(0, 2) + value(0, 4) + value(0, 8))
    forecast: dict[Instant, FieldPlace] = {
        (START, i * HOUR, None): field(tmp_path, "x", 0, value(0, 3**i), i) for i in range(1, 5)
    }
    reader = reader_of([plan("x"), summed()], {"x": forecast})
    np.testing.assert_array_equal(
        reader.read("total", (START, 4 * HOUR, None)), value(0, 9) + value(0, 27) + value(0, 81)
    )
    assert reader.read("total", (START, 2 * HOUR, None)) is None


def test_a_part_holds_its_instants_and_those_that_its_filters_read_and_survives_pickling(tmp_path: Path) -> None:
    sources = {"x": {analysis(i): field(tmp_path, "x", i, value(0, i)) for i in range(9)}}
    sources["x"][STATIC] = field(tmp_path, "x", 99, value(0, 99))
    whole = reader_of([plan("x"), summed()], sources)
    whole.read("x", analysis(5))
    assert whole.part([analysis(5)]).has("x", STATIC)
    part = pickle.loads(pickle.dumps(whole)).part([analysis(5)])
    assert [i for i in range(9) if part.has("x", analysis(i))] == [3, 4, 5]
    np.testing.assert_array_equal(part.read("total", analysis(5)), whole.read("total", analysis(5)))
    assert part.shape == whole.shape and part.read("x", analysis(6)) is None


def test_a_part_holds_what_a_filter_of_a_filter_needs(tmp_path: Path) -> None:
    sources = {"x": {analysis(i): field(tmp_path, "x", i, value(0, 2**i)) for i in range(6)}}
    twice = plan("twice", filter=made("sum_over", input="total", step="1h", window="3h"), inputs={"input": "total"})
    whole = reader_of([plan("x"), summed(), twice], sources)
    part = whole.part([analysis(5)])
    np.testing.assert_array_equal(part.read("twice", analysis(5)), whole.read("twice", analysis(5)))
    assert part.read("twice", analysis(5)) is not None


def test_a_part_of_sums_holds_the_whole_run(tmp_path: Path) -> None:
    sources = {"x": sums(tmp_path, 2.0, 5.0) | sums(tmp_path, 1.0, 2.0, start=12)}
    whole = reader_of([plan("x", accumulated=True)], sources)
    part = whole.part([(START + 12 * HOUR, 6 * HOUR, None)])
    assert (plane_of(part, "x", (START + 12 * HOUR, 6 * HOUR, None)) == 1.0).all()
    assert part.read("x", (START, 6 * HOUR, None)) is None


def test_few_files_stay_open_and_what_feeds_filters_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_OPEN_READERS", 2)
    monkeypatch.setattr(module, "_KEPT_PLANES", 2)
    sources = {"x": {analysis(i): field(tmp_path, "x", i, value(0, i)) for i in range(5)}}
    reader = reader_of([plan("x"), summed()], sources)
    first = reader.reader(sources["x"][analysis(0)].path)
    assert reader.reader(sources["x"][analysis(0)].path) is first
    kept = reader.read("x", analysis(0))
    assert reader.read("x", analysis(0)) is kept
    for i in (1, 2, 3):
        reader.read("x", analysis(i))
    assert reader.read("x", analysis(0)) is not kept, "no longer among the few that are kept"
    assert reader.reader(sources["x"][analysis(0)].path) is not first
    reader.close()
    assert not reader._readers and not reader._kept


def checked(variable: Variable, *values: float) -> list[float]:
    plane = np.array([values], dtype=np.float32)
    check_plane(variable, lambda: "here", plane)
    return [float(x) for x in plane[0]]


def test_missing_values_are_refused_or_become_nan() -> None:
    forbid, mask = Variable(name="x"), Variable(name="x", nan="mask")
    with pytest.raises(DataError, match=r'here: 2 of 3 values are missing; set "nan": "mask" for x if that is meant'):
        checked(forbid, 1.0, np.nan, np.inf)
    np.testing.assert_array_equal(checked(mask, 1.0, np.nan, np.inf, -np.inf), [1.0, np.nan, np.nan, np.nan])
    assert np.isnan(checked(Variable(name="2t", units="K", nan="mask"), np.nan, np.inf)).all()
    assert checked(forbid, 1e14) == pytest.approx([1e14]), "nothing is known of what Earth allows"


@pytest.mark.parametrize(
    ("units", "values", "is_allowed"),
    [
        ("K", (150.0, 350.0), True), ("K", (149.0, 300.0), False), ("K", (200.0, 351.0), False),
        ("degC", (-100.0, 70.0), True), ("degC", (-130.0, 20.0), False), ("K", (20.0, np.nan), False),
    ],
)  # fmt: skip
def test_values_that_earth_does_not_allow_are_refused(units: str, values: tuple[float, ...], is_allowed: bool) -> None:
    variable = Variable(name="t2", short_name="2t", units=units, nan="mask")
    if is_allowed:
        assert checked(variable, *values) == list(values)
        return
    with pytest.raises(DataError, match=rf"here: values from .* \[{units}\], expected within .*; are the units right"):
        checked(variable, *values)


def test_what_a_filter_makes_of_nothing_good_is_named_by_the_filter(tmp_path: Path) -> None:
    sources: dict[str, dict[Instant, FieldPlace]] = {"x": {(START, HOUR, 3): field(tmp_path, "x", 0, value(0, 0), 1)}}
    plans = [plan("x", "1"), plan("t", "K", filter=made("scale", input="x"), inputs={"input": "x"})]
    with pytest.raises(DataError, match=r"t of 2020-01-01T01:00:00 \(member 3\) by the filter Scale: values from 0"):
        reader_of(plans, sources, {"x": "1"}).read("t", (START, HOUR, 3))


@pytest.mark.parametrize("step", [3, 6])
def test_sums_over_buckets_become_what_was_added_in_each_step(tmp_path: Path, step: int) -> None:
    added = {3: 1.0, 6: 2.0, 9: 4.0, 12: 8.0}
    spans = {(0, 3): 1.0, (0, 6): 3.0, (6, 9): 4.0, (6, 12): 12.0}
    places: dict[Instant, FieldPlace] = {
        (START, last * HOUR, None): field(
            tmp_path, f"x{last}", 0, np.full((3, 4), total, np.float32), last, since=first * HOUR
        )
        for (first, last), total in spans.items()
    }
    reader = PlaneReader(
        [plan("x", accumulated=True)], {"x": places}, {"x": {(START, None): {k[1]: v for k, v in places.items()}}},
        {"x": ""}, {}, {}, WHOLE, (3, 4), ARRAYS, step * HOUR,
    )  # fmt: skip
    for last in range(step, 13, step):
        expected = sum(a for end, a in added.items() if last - step < end <= last)
        assert (plane_of(reader, "x", (START, last * HOUR, None)) == expected).all()
