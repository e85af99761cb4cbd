import csv
from pathlib import Path

import numpy as np
import pytest

import py4cast.observers.towns
from py4cast.grid import EARTH_RADIUS, Grid
from py4cast.observers.towns import towns_on

EUROPE = Grid(np.linspace(60.0, 40.0, 81), np.linspace(-10.0, 20.0, 121))
TABLE = Path(py4cast.observers.towns.__file__).with_name("towns.csv")


def listed() -> dict[str, tuple[float, float]]:
    with TABLE.open(encoding="utf-8", newline="") as stream:
        return {row["name"]: (float(row["latitude"]), float(row["longitude"])) for row in csv.DictReader(stream)}


def distance_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    units = []
    for lat, lon in (a, b):
        phi, lam = np.deg2rad([lat, lon])
        units.append(np.array([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)]))
    return float(EARTH_RADIUS * np.arccos(np.clip(units[0] @ units[1], -1, 1)) / 1000)


def test_the_table_is_of_places_on_earth_each_once() -> None:
    rows = list(csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines()))
    known = listed()
    assert len(rows) == len(known) > 250
    assert all(-90 <= lat <= 90 and -180 <= lon < 180 for lat, lon in known.values())
    assert all(float(row["thousands"]) > 0 for row in rows)
    assert len(set(known.values())) == len(known)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("Paris", "London", 344),
        ("New York", "Los Angeles", 3936),
        ("Sydney", "Auckland", 2156),
        ("Tokyo", "Seoul", 1152),
        ("Cairo", "Johannesburg", 6260),
        ("Lima", "Buenos Aires", 3138),
        ("Reykjavík", "Oslo", 1748),
        ("Delhi", "Mumbai", 1148),
    ],
)
def test_distances_are_those_of_the_atlas(a: str, b: str, expected: float) -> None:
    known = listed()
    assert distance_km(known[a], known[b]) == pytest.approx(expected, rel=0.02)


def test_the_largest_come_first_and_stand_apart() -> None:
    towns = towns_on(EUROPE)
    assert [t.name for t in towns[:2]] == ["Paris", "London"] and 8 <= len(towns) <= 14
    london = next(t for t in towns if t.name == "London")
    assert (london.column, london.row) == (
        pytest.approx((10 - 0.13) * 4, abs=0.01),
        pytest.approx((60 - 51.51) * 4, abs=0.01),
    )
    for i, town in enumerate(towns):
        assert 0 < town.column < 120 and 0 < town.row < 80
        assert all(max(abs(town.column - t.column), 2 * abs(town.row - t.row)) > 12 for t in towns[:i])


def test_every_projection_has_them_and_an_unknown_one_none() -> None:
    lat, lon = np.meshgrid(np.linspace(41, 52, 60), np.linspace(-5, 9, 50), indexing="ij")
    unknown = Grid(lat, lon)
    assert towns_on(unknown) == []
    globe = towns_on(Grid(np.linspace(90, -90, 91), np.arange(0, 360, 2.0)))
    assert len(globe) == 14 and {"Tokyo", "São Paulo"} <= {t.name for t in globe}
    assert towns_on(Grid(np.linspace(-40, -50, 11), np.linspace(-130, -120, 11))) == []


def test_a_map_of_a_lambert_projection_has_them() -> None:
    from py4cast.projection import inverse

    projection = {
        "grid_mapping_name": "lambert_conformal_conic", "standard_parallel": [46.5, 46.5], "earth_radius": 6_371_229.0,
        "longitude_of_central_meridian": 2.0, "latitude_of_projection_origin": 46.5,
    }  # fmt: skip
    x = y = np.linspace(-700e3, 700e3, 71)
    lat, lon = inverse(projection, *np.meshgrid(x, y))
    towns = {t.name: t for t in towns_on(Grid(np.asarray(lat), np.asarray(lon), x, y, projection))}
    assert {"Paris", "Nantes", "Marseille"} <= towns.keys()
    assert towns["Paris"].column == pytest.approx(35 + 26.2e3 / 20e3, abs=0.1)
    assert towns["Paris"].row == pytest.approx(35 + 262e3 / 20e3, abs=0.2)
