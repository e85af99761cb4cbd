"""Members, lead times, regridding and combining on real files of weather services."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py4cast.cubes.source_settings import SourceSettings
from py4cast.cubes.sources import open_source
from py4cast.datasets import get_datasets
from py4cast.datasets.gridded import Gridded
from py4cast.formats import open_reader
from tests.cubes.store.test_store import prepare
from tests.weather_files import write_json

pytestmark = pytest.mark.real_data


def periods(*spans: tuple[str, str]) -> dict[str, Any]:
    return {s: {"start": a, "end": b} for s, (a, b) in zip(("train", "valid", "test"), spans, strict=True)}


def test_every_member_of_an_ensemble_is_a_run(tmp_path: Path, real_data: Path) -> None:
    path = real_data / "ensemble" / "era5_eda_10members_zt_850_500_2017-01-01.grib"
    with open_reader(path) as reader:
        records = reader.records()
        wanted = next(
            r
            for r in records
            if r.short_name == "t" and r.level == 850 and r.member == 7 and str(r.init_time)[11:13] == "12"
        )
        plane = reader.read(wanted)
    day = ("2017-01-01", "2017-01-01")
    document = {
        "name": "eda", "root": str(path.parent), "files": [path.name], "step": "1h", "periods": periods(day, day, day),
        "variables": {"t": {"levels": [850], "type_of_level": "isobaricInhPa"}}, "forecasts": {"first": "0h", "last": "0h"},
    }  # fmt: skip
    store = prepare(Gridded.settings_kls.from_dict(document))
    assert len(store.axis.members) == 10 and store.axis.shape[2] == 1 and store.axis.init_times.size == 2
    index = [store.axis.instant(i) for i in range(store.axis.size)].index((wanted.init_time, np.timedelta64(0, "s"), 7))
    out = np.empty((1, 1, *store.shape), dtype=np.float32)
    store.read(["t_850_isobaricInhPa"], index, index + 1, out)
    np.testing.assert_array_equal(out[0, 0], plane)


def test_lead_times_of_a_real_forecast_and_its_accumulated_rain(tmp_path: Path, real_data: Path) -> None:
    folder = real_data / "lambert"
    day = ("2018-07-10", "2018-07-10")
    document = {
        "name": "arctic", "root": str(folder), "files": ["arome_arctic_2p5km_3h_2018-07-10T00_steps0-48.grib"], "step": "3h",
        "periods": periods(day, day, day), "forecasts": {"first": "3h", "last": "48h"}, "grid": {"border_size": 5},
        "variables": {
            "tp": {"accumulated": True, "role": "diagnostic", "units": "kg m-2"},
            "t": {"levels": [850], "type_of_level": "isobaricInhPa"},
        },
    }  # fmt: skip
    train, _, _ = get_datasets("gridded", 1, 2, 2, write_json(tmp_path / "d.json", document))
    assert len(train) == 16 - 2 and train.info.grid.projection["grid_mapping_name"] == "lambert_conformal_conic"
    with open_reader(folder / document["files"][0]) as reader:
        sums = {r.lead_time / np.timedelta64(1, "h"): reader.read(r) for r in reader.records() if r.short_name == "tp"}
    rain = train[4].outputs["tp"][1, ..., 0].numpy()  # the fifth sample: last past state at 15 h, so 18 to 21 h
    np.testing.assert_allclose(rain, sums[21.0] - sums[18.0], atol=1e-4)


def test_a_coarse_model_comes_to_the_fine_grid_in_one_dataset(tmp_path: Path, real_data: Path) -> None:
    folder, day = real_data / "grib", ("2018-05-01", "2018-05-02")
    base = {"root": str(folder), "step": "1h", "periods": periods(day, day, day)}
    fine = {
        "variables": {"msl": {"units": "Pa"}},
        "files": ["meteonet_arome_P_sea_level_NW_2018-05-01.grib"],
        "name": "arome",
    }
    coarse = {
        "variables": {"msl": {"units": "Pa"}},
        "files": ["meteonet_arpege_P_sea_level_NW_2018-05-01.grib"],
        "name": "arpege",
    }
    stores = [
        prepare(Gridded.settings_kls.from_dict({**base, **d, "store": str(tmp_path / str(d["name"]))}))
        for d in (fine, coarse)
    ]
    box = {"south": 46.5, "north": 50.5, "west": -4.0, "east": 1.0}
    cube = open_source(
        SourceSettings.from_dict(
            {"join": [{"store": str(stores[0].path), "box": box, "thinning": 4}, {"store": str(stores[1].path), "rename": {"msl": "driver"}, "regrid": "linear"}]}
        )
    )  # fmt: skip
    assert cube.names == ["msl", "driver"] and cube.axis.size >= 20
    out = np.empty((2, cube.axis.size, *cube.shape), dtype=np.float32)
    cube.read(cube.names, 0, cube.axis.size, out)
    assert np.isfinite(out).all()
    # two models of one weather: the pressures lie within a hectopascal or so, far less than they vary
    assert float(np.abs(out[0] - out[1]).mean()) < 150 < float(out[0].std())
