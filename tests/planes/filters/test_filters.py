from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py4cast.datasets import get_datasets
from py4cast.errors import DataError, SettingsError
from py4cast.planes.filters import registry
from tests.weather_files import describe, wave_fields, write_json, write_netcdf

Plane = np.ndarray


def apply(name: str, settings: dict[str, Any], level: float | None = None, **planes: Any) -> Plane:
    kind = registry.get(name)
    made = kind(kind.settings_kls.from_dict(settings), level)
    return np.asarray(made.apply({k: np.atleast_2d(np.float32(v)) for k, v in planes.items()}), dtype=np.float64)


def test_wind_comes_from_where_it_says() -> None:
    polar = {"speed": "ff", "direction": "dd"}
    for direction, u, v in ((270, 5, 0), (0, 0, -5), (90, -5, 0), (180, 0, 5)):
        assert apply("wind_u", polar, speed=5, direction=direction)[0, 0] == pytest.approx(u, abs=1e-5)
        assert apply("wind_v", polar, speed=5, direction=direction)[0, 0] == pytest.approx(v, abs=1e-5)
    rng = np.random.default_rng(0)
    speed, direction = rng.uniform(0.1, 40, (9, 9)), rng.uniform(0, 360, (9, 9))
    u, v = (apply(f"wind_{c}", polar, speed=speed, direction=direction) for c in "uv")
    parts = {"u": "u", "v": "v"}
    np.testing.assert_allclose(apply("wind_speed", parts, u=u, v=v), speed, rtol=1e-5)
    np.testing.assert_allclose(apply("wind_direction", parts, u=u, v=v), direction, atol=1e-3)
    assert apply("wind_direction", parts, u=0, v=0)[0, 0] == 0.0


def test_humidities_agree_with_the_tables() -> None:
    """Saturation over water at 0, 10, 20, 30 °C: 611.2, 1227.9, 2338.8, 4245.1 Pa (WMO, 2018, WMO-No. 8, annex 4.D)."""
    from py4cast.planes.filters.humidity import saturation_pressure

    table = np.array([611.2, 1227.9, 2338.8, 4245.1])
    np.testing.assert_allclose(saturation_pressure(273.15 + 10 * np.arange(4)), table, rtol=3e-3)
    # 20 °C and 50 %: dew point 9.27 °C; e = 1169.4 Pa, and q = 0.62198·e/(p − 0.37802·e) = 7.306 g kg-1 at 1000 hPa
    dew = apply("dew_point", {"temperature": "t", "relative_humidity": "r"}, temperature=293.15, relative_humidity=50)
    assert dew[0, 0] == pytest.approx(273.15 + 9.27, abs=0.05)
    names = {"temperature": "t", "relative_humidity": "r"}
    q = apply("specific_humidity_from_relative", names, 1000, temperature=293.15, relative_humidity=50)
    assert q[0, 0] == pytest.approx(7.306e-3, rel=3e-3)


def test_humidities_are_inverses_of_each_other() -> None:
    rng = np.random.default_rng(1)
    t, r, p = rng.uniform(245, 305, (8, 8)), rng.uniform(5, 100, (8, 8)), rng.uniform(5e4, 1.02e5, (8, 8))
    dew = apply("dew_point", {"temperature": "t", "relative_humidity": "r"}, temperature=t, relative_humidity=r)
    np.testing.assert_allclose(
        apply("relative_humidity", {"temperature": "t", "dew_point": "d"}, temperature=t, dew_point=dew), r, rtol=2e-4
    )
    names = {"temperature": "t", "relative_humidity": "r", "pressure": "p"}
    q = apply("specific_humidity_from_relative", names, temperature=t, relative_humidity=r, pressure=p)
    again = apply("specific_humidity", {"dew_point": "d", "pressure": "p"}, dew_point=dew, pressure=p)
    np.testing.assert_allclose(again, q, rtol=2e-4)
    back = {"temperature": "t", "specific_humidity": "q", "pressure": "p"}
    found = apply("relative_humidity_from_specific", back, temperature=t, specific_humidity=q, pressure=p)
    np.testing.assert_allclose(found, r, rtol=2e-4)
    found = apply(
        "dew_point_from_specific", {"specific_humidity": "q", "pressure": "p"}, specific_humidity=q, pressure=p
    )
    np.testing.assert_allclose(found, dew, atol=5e-3)


def test_arithmetic() -> None:
    assert apply("orography", {"geopotential": "z"}, geopotential=9806.65)[0, 0] == pytest.approx(1000.0)
    np.testing.assert_array_equal(apply("clip", {"input": "x", "low": 0.0}, input=[-1, 2]), [[0, 2]])
    found = apply("scale", {"input": "x", "factor": 2.0, "offset": 1.0, "valid_min": 0.0}, input=[-1, 2])
    np.testing.assert_array_equal(found, [[np.nan, 5]])
    assert apply("mean_rate", {"input": "x", "step": "1h"}, input=3600)[0, 0] == 1.0
    assert apply("sum_over", {"input": "x", "step": "1h", "window": "2h"}, input=[[[1.0]], [[2.0]]])[0, 0] == 3.0


def test_variables_are_made_on_the_way_to_the_store(tmp_path: Path) -> None:
    t = wave_fields()
    speed, direction = np.abs(t - 278), 10 * np.abs(t - 280)
    rain = np.abs(wave_fields(seed=3) - 280)
    write_netcdf(
        tmp_path / "in" / "a.nc", {"t": t, "ff": speed, "dd": direction, "rr": rain},
        units={"ff": "km h-1", "dd": "degrees", "rr": "kg m-2"},
    )  # fmt: skip
    document = describe(
        tmp_path / "in",
        variables={
            "u": {"made_from": {"filter": "wind_u", "speed": "ff", "direction": "dd"}},
            "ff": {"role": "none"},
            "dd": {"role": "none"},
            "rr": {"role": "none"},
            "rr2h": {
                "role": "diagnostic",
                "made_from": {"filter": "sum_over", "input": "rr", "step": "1h", "window": "2h"},
            },
            "t": {"units": "K"},
        },
    )
    train, _, _ = get_datasets("gridded", 1, 1, 1, write_json(tmp_path / "d.json", document))
    assert (
        train.info.prognostic == ["u", "t"]
        and train.info.units["u"] == "m s-1"
        and train.info.units["rr2h"] == "kg m-2"
    )
    item = train[4]
    hour = int((item.init_time - np.datetime64("2020-01-01T00", "s")) / np.timedelta64(1, "h"))
    expected = -speed[hour] / 3.6 * np.sin(np.deg2rad(direction[hour]))
    np.testing.assert_allclose(item.inputs["u"][0, ..., 0], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(item.outputs["rr2h"][0, ..., 0], rain[hour] + rain[hour + 1], rtol=1e-6)
    assert not hasattr(train.cube, "names") or "ff" not in train.cube.names


@pytest.mark.parametrize(
    ("made_from", "message"),
    [
        ({"filter": "wind_uu", "speed": "t", "direction": "t"}, r"unknown filter 'wind_uu'; did you mean 'wind_u'"),
        ({"filter": "wind_u", "speed": "t"}, r"variables\.x\.made_from\.direction: missing"),
        (
            {"filter": "wind_u", "speed": "t", "direction": "tt"},
            r"made_from\.direction: no variable 'tt'; did you mean 't'",
        ),
        ({"filter": "clip", "input": "x"}, r"'x' cannot be made of itself"),
        ({"speed": "t"}, r"made_from: needs a filter"),
        ({"filter": "specific_humidity", "dew_point": "t"}, r"give the variable with the pressure"),
        ({"filter": "sum_over", "input": "t", "step": "2h", "window": "3h"}, r"no multiple of the step"),
    ],
)
def test_wrong_filters_are_named(tmp_path: Path, made_from: dict[str, Any], message: str) -> None:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields()})
    document = describe(tmp_path / "in", variables={"t": {"units": "K"}, "x": {"made_from": made_from}})
    with pytest.raises(SettingsError, match=message):
        get_datasets("gridded", 1, 1, 1, write_json(tmp_path / "d.json", document))


def test_sums_that_begin_anew(tmp_path: Path) -> None:
    """A series without starts whose sum restarts every 12 h: steps are right with `restart`, refused without."""
    hourly = np.abs(wave_fields() - 279)
    total = np.stack([hourly[12 * (i // 12) : i + 1].sum(0) for i in range(48)])
    # the sum at 12 h still belongs to the first half of the day
    shifted = {"tp": total.astype(np.float32)}
    start = np.datetime64("2020-01-01T01", "s")
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields(), **shifted}, start=start, units={"tp": "kg m-2"})
    rain = {"role": "diagnostic", "accumulated": True, "restart": "12h", "units": "kg m-2"}
    periods = {
        s: {"start": f"2020-01-0{a}", "end": f"2020-01-0{b}"}
        for s, a, b in (("train", 1, 1), ("valid", 2, 2), ("test", 2, 3))
    }
    document = describe(tmp_path / "in", variables={"t": {}, "tp": rain}, periods=periods)
    train, _, _ = get_datasets("gridded", 1, 1, 1, write_json(tmp_path / "d.json", document))
    for i in range(len(train)):
        step = int((train.init_times[i] + np.timedelta64(1, "h") - start) / np.timedelta64(1, "h"))
        np.testing.assert_allclose(train[i].outputs["tp"][0, ..., 0], hourly[step], rtol=1e-3, atol=1e-4)
    rain["restart"] = "1d"
    with pytest.raises(DataError, match=r"tp of 2020-01-01T13:00:00 in .*: the sum .* falls; .* Set \"restart\""):
        get_datasets(
            "gridded",
            1,
            1,
            1,
            write_json(
                tmp_path / "d.json", describe(tmp_path / "in", variables={"t": {}, "tp": rain}, periods=periods)
            ),
        )


def test_an_outsiders_filter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "py4cast_plugin_square.py").write_text(
        "from dataclasses import dataclass\n"
        "from py4cast.planes.filters import FilterABC\n"
        "from py4cast.settings import Settings, setting\n"
        "@dataclass(frozen=True, slots=True, kw_only=True)\n"
        "class SquareSettings(Settings):\n"
        "    '''One variable.'''\n"
        "    input: str = setting(help='variable')\n"
        "class Square(FilterABC):\n"
        "    '''Creates the square.'''\n"
        "    settings_kls = SquareSettings\n"
        "    arguments = ('input',)\n"
        "    def apply(self, planes):\n"
        "        return planes['input'] ** 2\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import py4cast.datasets.gridded_settings as module
    from py4cast.registry import Registry

    fresh = Registry("filter", "py4cast.planes.filters.base:FilterABC", {})
    monkeypatch.setattr(module, "filters", fresh)
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields()})
    document = describe(
        tmp_path / "in", variables={"t": {}, "t2": {"made_from": {"filter": "square", "input": "t"}, "units": "K2"}}
    )
    train, _, _ = get_datasets("gridded", 1, 1, 1, write_json(tmp_path / "d.json", document))
    np.testing.assert_allclose(train[0].inputs["t2"], train[0].inputs["t"] ** 2, rtol=1e-6)


def test_a_fixed_field_is_made_of_another(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields()})
    height = np.tile(np.linspace(10, 900, 16, dtype=np.float32), (12, 1))
    write_netcdf(tmp_path / "fixed" / "z.nc", {"z": 9.80665 * height[None]}, units={"z": "m2 s-2"})
    variables = {
        "t": {"files": ["in/*.nc"]},
        "z": {"role": "none", "files": ["fixed/z.nc"]},
        "height": {"role": "static", "made_from": {"filter": "orography", "geopotential": "z"}},
    }
    train, _, _ = get_datasets(
        "gridded", 1, 1, 1, write_json(tmp_path / "d.json", describe(tmp_path, variables=variables))
    )
    assert "height" in train.info.static and "z" not in train.info.static
    np.testing.assert_allclose(train.cube.static_fields()["height"], height, rtol=1e-6)
