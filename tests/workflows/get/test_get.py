"""Data of services, as a server on loopback gives them in the services' own layouts."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from py4cast.datasets.gridded import Gridded
from py4cast.errors import DataError, SettingsError
from py4cast.formats import Fields, writer_for
from py4cast.grid import Grid
from py4cast.settings import read_json
from py4cast.variables import Variable
from py4cast.workflows.get.asked import Asked
from py4cast.workflows.get.run import get
from py4cast.workflows.get.sources import SOURCES, source_of
from tests.command import py4cast
from tests.conftest import ROOT
from tests.loopback import served

GRID = Grid(np.linspace(60, 40, 11), np.linspace(-10, 20, 16))
START = np.datetime64("2024-01-01T00", "s")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PY4CAST_ROOTDIR", str(tmp_path / "runs"))
    monkeypatch.setattr("py4cast.remote._FIRST_WAIT_S", 0.01)


def asked(variables: list[str], **words: Any) -> Asked:
    known: dict[str, Any] = {"start": "2024-01-01T00", "end": None, "every": "6h", "lead_times": [], "box": None}
    return Asked.of_words(variables, **{**known, **words})


# ECMWF: an index of JSON lines beside a GRIB file ----------------------------------------------------------


def ifs(folder: Path) -> np.ndarray:
    """Forecasts of five lead times in the service's layout; their values."""
    import eccodes

    variables = [
        Variable(name="t2m", short_name="2t", units="K", level=2.0, type_of_level="heightAboveGround"),
        Variable(name="z500", short_name="gh", units="m", level=500.0, type_of_level="isobaricInhPa"),
        Variable(name="msl", short_name="msl", units="Pa", level=0.0, type_of_level="meanSea"),
    ]
    rng = np.random.default_rng(0)
    values = rng.normal(size=(5, *GRID.shape, 3)).astype(np.float32) + np.array([280, 5500, 101325], np.float32)
    place = folder / "20240101" / "00z" / "ifs" / "0p25" / "oper"
    place.mkdir(parents=True)
    for k, step in enumerate((0, 6, 12, 18, 24)):
        path = place / f"20240101000000-{step}h-oper-fc.grib2"
        lead = [np.timedelta64(step, "h")]
        writer_for(path).write(path, Fields(values[k : k + 1], variables, GRID, START, lead))
        lines, offset = [], 0
        with path.open("rb") as stream:
            while (message := eccodes.codes_grib_new_from_file(stream)) is not None:
                length = eccodes.codes_get_message_size(message)
                name, level = eccodes.codes_get(message, "shortName"), eccodes.codes_get(message, "typeOfLevel")
                line = {
                    "type": "fc",
                    "step": str(step),
                    "levtype": "sfc",
                    "param": name,
                    "_offset": offset,
                    "_length": length,
                }
                if level == "isobaricInhPa":
                    line |= {"levtype": "pl", "levelist": str(eccodes.codes_get(message, "level"))}
                lines.append(json.dumps(line))
                offset += length
                eccodes.codes_release(message)
        path.with_suffix(".index").write_text("\n".join(lines) + "\n")
    return values


def test_single_fields_of_ecmwf_are_read_out_of_their_files(tmp_path: Path) -> None:
    values = ifs(tmp_path / "served")
    with served(tmp_path / "served") as (url, faults):
        want = asked(["z500", "t2m"], address=url, lead_times=["0h", "6h", "12h", "18h", "24h"])
        faults.cut_after = [10_000, 100]
        fetched = get("ecmwf", want, tmp_path / "ifs")
        assert [p.name for p in fetched.files] == [f"20240101000000-{s}h-oper-fc.grib2" for s in (0, 6, 12, 18, 24)]
        ranges = [wanted for method, path, wanted in faults.asked if path.endswith(".grib2") and method == "GET"]
        assert len(ranges) >= 10 and all(r.startswith("bytes=") for r in ranges), "parts, and no whole file"
        before = len(faults.asked)
        get("ecmwf", want, tmp_path / "ifs")
        assert len(faults.asked) == before, "what stands is not fetched again"
    recipe = read_json(fetched.recipe)
    assert recipe["variables"] == ["z500", "t2m"] and set(recipe["files"]) == {p.name for p in fetched.files}
    assert "CC-BY" in recipe["needs"]["licence"]
    with xr.open_dataset(
        fetched.files[1], engine="cfgrib", backend_kwargs={"indexpath": "", "filter_by_keys": {"shortName": "gh"}}
    ) as data:
        np.testing.assert_allclose(data["gh"].values, values[1, ..., 1], atol=0.05)
    assert fetched.dataset is not None, fetched.remarks


def test_a_field_that_lacks_is_named(tmp_path: Path) -> None:
    ifs(tmp_path / "served")
    with served(tmp_path / "served") as (url, _):
        with pytest.raises(DataError, match=r"0 fields are u10 \(10u\); it holds 2t, msl"):
            get("ecmwf", asked(["u10"], address=url, lead_times=["0h"]), tmp_path / "ifs")
        with pytest.raises(DataError, match="nothing is there"):
            get("ecmwf", asked(["t2m"], address=url, lead_times=["240h"]), tmp_path / "late")
        index = next((tmp_path / "served").rglob("*-0h-*.index"))
        index.write_text(index.read_text().replace('"_offset": 0', '"_offset": 7'))
        with pytest.raises(DataError, match="no GRIB message"):
            get("ecmwf", asked(["t2m"], address=url, lead_times=["0h"]), tmp_path / "forged")
    assert not list((tmp_path / "forged" / "files").glob("*.grib2"))


# Archives --------------------------------------------------------------------------------------------------


def archive(folder: Path) -> xr.Dataset:
    time = np.arange("2019-12-31", "2020-02-02", np.timedelta64(6, "h"), dtype="datetime64[ns]")
    lat, lon, level = np.linspace(-87, 87, 32), np.arange(64) * 5.625, [500, 850]
    rng = np.random.default_rng(0)
    shape = (time.size, 64, 32)
    data = xr.Dataset(
        {"2m_temperature": (("time", "longitude", "latitude"), rng.normal(280, 5, shape).astype(np.float32), {"units": "K"}),
         "geopotential": (("time", "level", "longitude", "latitude"), rng.normal(5e4, 1e3, (time.size, 2, 64, 32)).astype(np.float32), {"units": "m**2 s**-2"})},
        {"time": time, "latitude": lat, "longitude": lon, "level": level},
    )  # fmt: skip
    data.to_zarr(folder / "1959-2023_01_10-6h-64x32_equiangular_conservative.zarr", zarr_format=2, consolidated=True)
    return data


def test_months_of_an_archive_become_files_that_prepare_takes(tmp_path: Path) -> None:
    held = archive(tmp_path / "served")
    with served(tmp_path / "served") as (url, _):
        want = asked(["t2m", "z500"], start="2020-01-01", end="2020-02-01T18", address=url, box="65,-12,35,30")
        fetched = get("weatherbench2", want, tmp_path / "wb2")
        with pytest.raises(DataError, match="it holds 2019-12-31T00:00:00 to 2020-02-01T18:00:00, every 6 h"):
            get("weatherbench2", asked(["t2m"], start="2031-01-01", address=url), tmp_path / "late")
        with pytest.raises(DataError, match="has no level of 300 hPa; it has 500, 850"):
            get("weatherbench2", asked(["z300"], start="2020-01-01", address=url), tmp_path / "level")
        with pytest.raises(DataError, match="no mean_sea_level_pressure, which is msl here"):
            get("weatherbench2", asked(["msl"], start="2020-01-01", address=url), tmp_path / "msl")
    assert [p.name for p in fetched.files] == ["202001.nc", "202002.nc"]
    with xr.open_dataset(fetched.files[0]) as data:
        assert data["latitude"].values[0] > data["latitude"].values[-1] and data["longitude"].values[0] >= -12
        west = float(data["longitude"].values[0])
        there = held.sel(time="2020-01-03T06", longitude=west % 360, latitude=data["latitude"].values[2], level=500)
        np.testing.assert_allclose(
            data["z500"].sel(time="2020-01-03T06").values[2, 0], there["geopotential"].values, rtol=1e-6
        )
    assert fetched.dataset is not None, fetched.remarks
    document = read_json(fetched.dataset)
    assert set(document["variables"]) == {"t2m", "z500"} or len(document["variables"]) == 2
    done = py4cast("prepare", "--dataset_conf", str(fetched.dataset), PY4CAST_ROOTDIR=str(tmp_path / "runs"))
    assert done.returncode == 0, done.stderr
    train = Gridded.from_settings(Gridded.settings_kls.from_dict(document), fetched.dataset, 2, 1, 1)[0]
    assert len(train) > 50


# Whole files -----------------------------------------------------------------------------------------------


def test_packages_and_analyses_are_whole_files(tmp_path: Path) -> None:
    run = "2024-01-01T00:00:00Z"
    place = tmp_path / "served" / run / "arome" / "0025" / "SP1"
    place.mkdir(parents=True)
    (place / f"arome__0025__SP1__07H12H__{run}.grib2").write_bytes(b"GRIB....7777")
    norway = tmp_path / "served" / "2024" / "01" / "01"
    norway.mkdir(parents=True)
    (norway / "met_analysis_1_0km_nordic_20240101T00Z.nc").write_bytes(b"CDF")
    with served(tmp_path / "served") as (url, _):
        france = get("meteofrance", asked(["SP1"], lead_times=["9h"], address=url), tmp_path / "fr")
        assert [p.name for p in france.files] == ["arome__0025__SP1__07H12H__2024-01-01T000000Z.grib2"]
        assert france.dataset is None and "no dataset.json" in france.remarks[0], (
            "what came is no GRIB that can be read"
        )
        nordic = get("metnorway", asked([], every="1h", address=url), tmp_path / "no")
        assert nordic.files[0].read_bytes() == b"CDF"


def test_the_groups_of_hours_of_every_model() -> None:
    source = source_of("meteofrance")
    counts = {
        name: len(source.pieces(asked(["SP1"], dataset=name)))
        for name in ("arome0025", "arome001", "arpege01", "arpege025")
    }
    assert counts == {"arome0025": 9, "arome001": 52, "arpege01": 9, "arpege025": 4}
    last = source.pieces(asked(["IP1"], dataset="arome0025"))[-1]
    assert last.told.endswith(
        "/2024-01-01T00:00:00Z/arome/0025/IP1/arome__0025__IP1__49H51H__2024-01-01T00:00:00Z.grib2"
    )
    assert last.told.startswith("https://object.data.gouv.fr/meteofrance-pnt/pnt/")


# Clients ---------------------------------------------------------------------------------------------------


def test_era5_is_asked_for_by_month_and_kind_of_level(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[tuple[str, dict[str, Any]]] = []

    class Client:
        def __init__(self, **words: Any) -> None:
            assert words["quiet"]

        def retrieve(self, dataset: str, request: dict[str, Any], target: str) -> None:
            requests.append((dataset, request))
            if request["month"] == ["02"]:
                raise RuntimeError("the licence is not\naccepted")
            Path(target).write_bytes(b"GRIB")

    monkeypatch.setitem(sys.modules, "cdsapi", SimpleNamespace(Client=Client))
    want = asked(["t2m", "z500", "t850"], end="2024-01-02T18", box="60,-10,40,20")
    fetched = get("era5", want, tmp_path / "era5")
    assert [p.name for p in fetched.files] == ["era5_single_202401.grib", "era5_levels_202401.grib"]
    assert requests[0] == ("reanalysis-era5-single-levels", {
        "product_type": ["reanalysis"], "year": ["2024"], "month": ["01"], "day": ["01", "02"], "time": ["00:00", "06:00", "12:00", "18:00"],
        "data_format": "grib", "download_format": "unarchived", "area": [60.0, -10.0, 40.0, 20.0], "variable": ["2m_temperature"],
    })  # fmt: skip
    assert requests[1][1]["pressure_level"] == ["500", "850"] and requests[1][1]["variable"] == [
        "geopotential",
        "temperature",
    ]
    with pytest.raises(DataError, match=r"era5_single_202402.grib\): the licence is not accepted"):
        get("era5", asked(["t2m"], start="2024-02-01"), tmp_path / "feb")
    assert list((tmp_path / "feb" / "files").iterdir()) == []


def test_the_ocean_is_asked_for_by_its_own_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for: list[dict[str, Any]] = []

    def subset(**words: Any) -> None:
        asked_for.append(words)
        (Path(words["output_directory"]) / f"{words['output_filename']}.nc").write_bytes(b"CDF")  # its ending is added

    monkeypatch.setitem(sys.modules, "copernicusmarine", SimpleNamespace(subset=subset))
    want = asked(["thetao"], end="2024-01-03", every="24h", dataset="cmems_x", box="60,-10,40,20")
    fetched = get("copernicusmarine", want, tmp_path / "ocean")
    assert [p.name for p in fetched.files] == ["cmems_x_202401.nc"] and fetched.files[0].read_bytes() == b"CDF"
    assert asked_for[0]["maximum_latitude"] == 60.0 and asked_for[0]["end_datetime"] == "2024-01-03T00:00:00"


def test_a_client_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cdsapi", None)
    with pytest.raises(SettingsError, match=r"needs the package cdsapi: pip install 'py4cast\[get\]'"):
        get("era5", asked(["t2m"]), tmp_path / "era5")


# What is wrong ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "variables", "words", "told"),
    [
        ("ecmfw", ["t2m"], {}, "get 'ecmfw'; did you mean 'ecmwf'"),
        ("ecmwf", ["t2n"], {}, "variable 't2n'; did you mean 't2m'"),
        ("ecmwf", [], {}, "no --variables; it has t2m"),
        ("era5", ["z5000"], {}, "variable 'z5000'"),
        ("weatherbench2", ["t2m"], {"dataset": "0.5"}, "--dataset '0.5'"),
        ("meteofrance", ["t2m"], {}, "its --variables are packages of several: 't2m'"),
        ("meteofrance", ["SP1"], {"box": "60,0,50,10"}, "gives whole files; leave --box out"),
        ("metnorway", ["t2m"], {}, "gives whole files of analyses"),
        ("copernicusmarine", ["thetao"], {}, "needs --dataset ID"),
        ("ecmwf", ["t2m"], {"end": "2023-01-01"}, "lies before --start"),
        ("ecmwf", ["t2m"], {"box": "40,0,50,10"}, "expected NORTH,WEST,SOUTH,EAST"),
        ("ecmwf", ["t2m"], {"box": "40,0,50"}, "expected four numbers"),
        ("ecmwf", ["t2m"], {"box": "a,b,c,d"}, "such as 60,-10,40,20"),
    ],
    ids=[
        "source",
        "variable",
        "none",
        "level",
        "dataset",
        "package",
        "box",
        "norway",
        "ocean",
        "end",
        "upside_down",
        "three",
        "letters",
    ],
)
def test_what_cannot_be_asked_is_told(
    source: str, variables: list[str], words: dict[str, Any], told: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=told):
        get(source, asked(variables, **words), tmp_path / "x")
    assert not (tmp_path / "x").exists(), "nothing is made"


def test_refusals_and_another_recipe_are_told(tmp_path: Path) -> None:
    ifs(tmp_path / "served")
    with served(tmp_path / "served") as (url, faults):
        get("ecmwf", asked(["t2m"], address=url, lead_times=["0h"]), tmp_path / "a")
        with pytest.raises(SettingsError, match="what was asked for there is something else; choose another --folder"):
            get("ecmwf", asked(["msl"], address=url, lead_times=["0h"]), tmp_path / "a")
        faults.refuses = 403
        with pytest.raises(DataError, match="access is refused"):
            get("ecmwf", asked(["t2m"], address=url, lead_times=["6h"]), tmp_path / "b")


def test_the_command_lists_what_there_is_and_what_it_needs(tmp_path: Path) -> None:
    done = py4cast("get", cwd=tmp_path)
    assert done.returncode == 0 and all(name in done.stdout for name in SOURCES) and "an account" in done.stdout
    assert py4cast("get", "ecmwf", "--variables", "t2m", cwd=tmp_path).returncode == 2
    ifs(tmp_path / "served")
    with served(tmp_path / "served") as (url, _):
        words = ["--variables", "t2m", "--start", "2024-01-01T00", "--lead_times", "0h,6h", "--address", url]
        done = py4cast("get", "ecmwf", *words, cwd=tmp_path, PY4CAST_ROOTDIR=str(tmp_path / "runs"))
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.splitlines()[-1] == "ecmwf/recipe.json" and "a dataset needs a series of at least 4" in done.stderr
    )


def test_the_page_says_what_every_source_needs() -> None:
    text = (ROOT / "doc" / "getting.md").read_text()
    for name, kind in SOURCES.items():
        assert f"| `{name}` | {kind.title} | {' | '.join(kind.needs)} |" in text
