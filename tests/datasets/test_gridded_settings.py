from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py4cast.datasets.gridded_settings import ForecastSettings, GriddedSettings, VariableSettings
from py4cast.errors import SettingsError
from py4cast.planes.reader import FieldPlan
from py4cast.settings import decode
from py4cast.timeline import duration
from tests.weather_files import describe

PRESSURE = {"levels": [850, 500], "type_of_level": "isobaricInhPa"}


def settings(variables: dict[str, Any], **changes: Any) -> GriddedSettings:
    document = describe(Path("data"), variables=variables, **changes)
    return decode(GriddedSettings, document, where="dataset")


def plans(**variables: dict[str, Any]) -> dict[str, FieldPlan]:
    return {p.variable.name: p for p in settings(variables).plans()}


def clip(name: str, **changes: Any) -> dict[str, Any]:
    return {"made_from": {"filter": "clip", "input": name, "low": 0}, **changes}


def test_a_variable_is_called_by_its_key_or_by_key_and_level() -> None:
    described = decode(VariableSettings, {**PRESSURE, "units": "degC", "role": "output", "weight": 3}, where="t")
    variables = described.variables("t")
    assert [(v.name, v.level) for v in variables] == [("t_850_isobaricInhPa", 850), ("t_500_isobaricInhPa", 500)]
    assert {(v.short_name, v.role, v.units, v.loss_weight) for v in variables} == {("t", "diagnostic", "degC", 3.0)}
    one = VariableSettings(level=2, type_of_level="heightAboveGround", short_name="2t", file_name="VAR_2T")
    (variable,) = one.variables("temperature")
    assert (variable.name, variable.short_name, variable.sought, variable.level) == ("temperature", "2t", "VAR_2T", 2)


def test_a_variable_without_a_role_feeds_filters_alone() -> None:
    made = plans(u={"role": "none"}, t={}, r=clip("u", role="diagnostic"))
    assert [(n, p.is_stored, p.is_file, p.variable.role) for n, p in made.items()] == [
        ("u", False, True, "forcing"), ("t", True, True, "prognostic"), ("r", True, False, "diagnostic"),
    ]  # fmt: skip
    assert made["r"].inputs == {"input": "u"}


def test_plans_say_how_a_field_comes_from_another_grid_and_when_its_sum_begins() -> None:
    plan = plans(tp={"accumulated": True, "restart": "1d", "regrid": "mean"})["tp"]
    assert (plan.restart, plan.regrid, plan.filter) == (duration("1d"), "mean", None)
    assert plans(t={})["t"].restart is None


def test_inputs_come_before_what_is_made_of_them() -> None:
    order = list(plans(a=clip("b"), b=clip("c", role="diagnostic"), c={"role": "none"}, d=clip("b")))
    assert order == ["c", "b", "a", "d"]


def test_a_level_is_made_of_the_same_level() -> None:
    made = plans(
        rh={"role": "diagnostic", **PRESSURE, "made_from": {
            "filter": "relative_humidity_from_specific", "temperature": "t", "specific_humidity": "q_850_isobaricInhPa",
        }},
        t=PRESSURE, q={"role": "none", **PRESSURE},
    )  # fmt: skip
    lower, upper = (made[f"rh_{level}_isobaricInhPa"] for level in (850, 500))
    assert lower.inputs == {"temperature": "t_850_isobaricInhPa", "specific_humidity": "q_850_isobaricInhPa"}
    assert upper.inputs == {"temperature": "t_500_isobaricInhPa", "specific_humidity": "q_850_isobaricInhPa"}
    assert lower.filter is not None and upper.filter is not None
    assert (lower.filter.level, upper.filter.level) == (850, 500), "pressure [hPa] of the formula"


def test_a_level_that_is_no_pressure_is_none_of_the_filters() -> None:
    made = plans(t={}, c=clip("t", level=2, type_of_level="heightAboveGround"))
    assert made["c"].filter is not None and made["c"].filter.level is None


def test_what_feeds_a_fixed_field_alone_is_fixed() -> None:
    made = plans(t={}, z={"role": "none"}, h=clip("z", role="static"))
    assert {n: p.variable.role for n, p in made.items()} == {"t": "prognostic", "z": "static", "h": "static"}
    shared = plans(t={}, z={"role": "none"}, h=clip("z", role="static"), moving=clip("z"))
    assert shared["z"].variable.role == "forcing", "what moves reads it too"
    stored = plans(t={}, z={"role": "forcing"}, h=clip("z", role="static"))
    assert stored["z"].variable.role == "forcing", "it has a role of its own"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"t": PRESSURE, "t_850_isobaricInhPa": {}}, "the feature 't_850_isobaricInhPa' stands twice"),
        ({"t": {"levels": [500, 500]}}, "variables.t: the feature 't_500' stands twice"),
        ({"t": {"role": "none"}, "u": {"role": "static"}}, "none is prognostic or diagnostic"),
        ({"t": {"made_from": {"input": "u"}}, "u": {}}, "variables.t.made_from: needs a filter; valid: .*clip"),
        ({"t": clip("u")}, "variables.t.made_from.input: no variable 'u'"),
        ({"t": clip("temp"), "temps": {}}, "no variable 'temp'; did you mean 'temps'"),
        ({"t": clip("t")}, "variables.t.made_from.input: 't' cannot be made of itself"),
        ({"t": clip("u", level=300), "u": PRESSURE}, "variables.t.made_from.input: 'u' has no level 300"),
        ({"t": clip("u"), "u": clip("v"), "v": clip("t")}, "variables: t is made of u is made of v is made of t"),
        ({"t": {"made_from": {"filter": "clp", "input": "u"}}, "u": {}}, "unknown filter 'clp'.*did you mean 'clip'"),
        (
            {"t": {"made_from": {"filter": "clip", "inputs": "u"}}, "u": {}},
            "variables.t.made_from.inputs: unknown setting; did you mean 'input'",
        ),
    ],
)  # fmt: skip
def test_variables_that_cannot_be_made_are_refused(variables: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        settings(variables).plans()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"restart": "1d"}, "restart: for accumulated fields only"),
        ({"restart": "soon", "accumulated": True}, "duration 'soon'"),
        ({**clip("u"), "files": ["a.nc"]}, "made_from: a variable that is made of others has no files, accumulation"),
        ({**clip("u"), "accumulated": True}, "made_from: a variable that is made of others has no files"),
        ({**clip("u"), "regrid": "mean"}, "made_from: a variable that is made of others has no files"),
    ],
)
def test_what_does_not_go_together_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        settings({"t": change, "u": {}})


@pytest.mark.parametrize(
    ("first", "last", "step", "hours"),
    [
        ("0s", "6h", "3h", [0, 3, 6]),
        ("0", "2h", "1h", [0, 1, 2]),
        ("0h", "1d", "12h", [0, 12, 24]),
        ("30min", "90min", "30min", [0.5, 1, 1.5]),
        ("6h", "6h", "1h", [6]),
    ],
)
def test_lead_times_hold_both_ends(first: str, last: str, step: str, hours: list[float]) -> None:
    leads = ForecastSettings(first=first, last=last).lead_times(duration(step))
    assert (leads / np.timedelta64(3600, "s")).tolist() == hours


def test_lead_times_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(SettingsError, match="forecasts: last 1h lies before first 6h"):
        ForecastSettings(first="6h", last="1h").lead_times(duration("1h"))


def test_the_folder_is_told_by_root_then_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("MY_DATA", "~/other")
    asked = settings({"t": {}}, root="~/data", root_env="MY_DATA")
    assert asked.root_folder() == Path("/home/someone/data")
    assert settings({"t": {}}, root=None, root_env="MY_DATA").root_folder() == Path("/home/someone/other")
    monkeypatch.delenv("MY_DATA")
    assert settings({"t": {}}, root=None, root_env="MY_DATA").root_folder() == Path()
    assert settings({"t": {}}, root=None).root_folder() == Path()


def test_bare_arrays_are_described_where_there_are_some() -> None:
    assert settings({"t": {}}).array_description() is None
    arrays = {"path": "{name}.npy", "shape": [2, 3], "latitude": [50, 49], "longitude": [0, 2], "units": {"t": "K"}}
    described = settings({"t": {}}, arrays=arrays).array_description()
    assert described is not None and described.grid.shape == (2, 3) and described.units == {"t": "K"}
    np.testing.assert_array_equal(described.grid.longitude, [0, 1, 2])


def test_a_last_lead_time_that_no_step_reaches_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"forecasts: last 45h is no whole number of steps \(6h\) after first 0s"):
        ForecastSettings(last="45h").lead_times(duration("6h"))
