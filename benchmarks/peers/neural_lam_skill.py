"""neural-lam 0.7 trained by its own program on a set of real data, and what its forecasts are worth.

    PYTHONPATH=.peers/neural_lam:.peers/mllam python benchmarks/peers/neural_lam_skill.py prepare era5_uk|ncep DATA FOLDER
    ... neural_lam_skill.py train SECONDS RESULT ARGUMENTS...       arguments of python -m neural_lam.train_model
    ... neural_lam_skill.py evaluate CHECKPOINT FOLDER [--steps 12]

prepare writes FOLDER/config.yaml, the datastore (by mllam-data-prep) and the graphs `multiscale` and `hierarchical` (by
neural_lam.create_graph). train stops after the batch that passes SECONDS of CPU time since the fit began, and writes to RESULT
how many it took. evaluate prints the RMSE [K] by lead time over interior cells and all starts of the test split. The sets, their
splits and further inputs are those of config/datasets.

What its program does not offer is set from here: a frame of 2 cells in place of 30 (there are 33 rows), Lightning's CSV
logger in place of wandb, and no checks of what pickles hold when its own checkpoint is read again.
"""

import argparse
import importlib.machinery
import json
import os
import subprocess
import sys
import time
import types
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
warnings.filterwarnings("ignore")

import numpy as np

BORDER = 2


@dataclass(frozen=True)
class DataSet:
    """A set of `config/datasets`: a field of a file of the series, its splits and what else the networks see."""

    file: str
    key: str
    step: str
    train: tuple[str, str]
    val: tuple[str, str]
    test: tuple[str, str]
    latitude: float
    longitude: float
    statics: tuple[str, ...]
    times: tuple[str, ...]
    reading: dict[str, Any] = field(default_factory=dict)

    @property
    def projection(self) -> dict[str, Any]:
        """True at one latitude; x and y are each a function of longitude or latitude alone, so that the grid stays one."""
        return {
            "class_name": "Mercator",
            "kwargs": {"central_longitude": self.longitude, "latitude_true_scale": self.latitude},
        }


DATA = {
    "era5_uk": DataSet(
        "era5_uk_hourly_t2m_2019-03.grib", "t2m", "PT1H", ("2019-03-01T00:00", "2019-03-21T23:00"), ("2019-03-22T00:00", "2019-03-24T23:00"),
        ("2019-03-25T00:00", "2019-03-31T23:00"), 54.0, -4.0, ("lsm", "relief"), ("hour",), {"engine": "cfgrib", "backend_kwargs": {"indexpath": ""}},
    ),
    "ncep": DataSet(
        "ncep_northamerica_6h_air_2013-01_2014-06.nc", "air", "PT6H", ("2013-01-01T00:00", "2013-12-03T18:00"), ("2013-12-04T00:00", "2013-12-31T18:00"),
        ("2014-01-01T00:00", "2014-06-30T18:00"), 45.0, -95.0, ("relief",), ("hour", "day_of_year"),
    ),
}  # fmt: skip
STATICS = {"lsm": ("lsm", "era5land_landsea_mask_0p1deg.nc"), "relief": ("ROSE", "etopo20_global_relief.nc")}


def source(what: DataSet, data: Path, folder: Path) -> None:
    """The series and the static fields on (x, y), as mllam-data-prep reads them."""
    import cartopy.crs as ccrs
    import xarray as xr

    series = xr.open_dataset(data / "series" / what.file, **what.reading)[what.key].load()
    series = series.rename({k: v for k, v in {"latitude": "lat", "longitude": "lon"}.items() if k in series.dims})
    series = series.assign_coords(lon=(series.lon + 180.0) % 360.0 - 180.0).sortby("lat").sortby("lon")
    lat, lon = (series[name].values.astype("f8") for name in ("lat", "lon"))
    target, plain = ccrs.Mercator(**what.projection["kwargs"]), ccrs.PlateCarree()
    x = target.transform_points(plain, lon, np.full_like(lon, lat[0]))[:, 0]
    y = target.transform_points(plain, np.full_like(lat, lon[0]), lat)[:, 1]
    lon2, lat2 = np.meshgrid(lon, lat, indexing="ij")
    values = series.transpose("time", "lon", "lat").values.astype("f4")
    fields: dict[str, Any] = {what.key: (("time", "x", "y"), values, {"units": "K", "long_name": what.key})}
    for name in what.statics:
        key, file = STATICS[name]
        static = xr.open_dataset(data / "static" / file)[key].astype("f8")
        static = static.assign_coords(lon=(static.lon + 180.0) % 360.0 - 180.0).sortby("lon").sortby("lat")
        near = static.sel(lat=slice(lat.min() - 2, lat.max() + 2), lon=slice(lon.min() - 2, lon.max() + 2))
        values = near.interp(lat=lat, lon=lon, method="linear").transpose("lon", "lat").values.astype("f4")
        fields[name] = (("x", "y"), values, {"units": "1", "long_name": name})
    fields |= {"lat": (("x", "y"), lat2, {}), "lon": (("x", "y"), lon2, {})}
    coords = {"time": series.time.values, "x": ("x", x, {"units": "m"}), "y": ("y", y, {"units": "m"})}
    xr.Dataset(fields, coords).set_coords(["lat", "lon"]).to_zarr(folder / "source.zarr", mode="w")


def datastore(what: DataSet, folder: Path) -> dict[str, Any]:
    """The configuration of mllam-data-prep."""
    grid, derive = {"method": "stack", "dims": ["x", "y"]}, "mllam_data_prep.ops.derive_variable"
    time_of = {"method": "rename", "dim": "time"}

    def part(kind: str, **more: Any) -> dict[str, Any]:
        features = {f"{kind}_feature": {"method": "stack_variables_by_var_name", "name_format": "{var_name}"}}
        moving = {} if kind == "static" else {"time": time_of}
        dims = ["x", "y"] if kind == "static" else ["time", "x", "y"]
        mapping = {**moving, "grid_index": grid, **features}
        return {
            "path": str(folder.resolve() / "source.zarr"),
            "dims": dims,
            "dim_mapping": mapping,
            "target_output_variable": kind,
            **more,
        }

    places = {"time": "ds_input.time", "lat": "ds_input.lat", "lon": "ds_input.lon"}
    derived = {"toa_radiation": {"kwargs": places, "function": f"{derive}.physical_field.calculate_toa_radiation"}}
    functions = {"hour": "calculate_hour_of_day", "day_of_year": "calculate_day_of_year"}
    for name in what.times:
        for component in ("sin", "cos"):
            words = {"time": "ds_input.time", "component": component}
            derived[f"{name}_{component}"] = {
                "kwargs": words,
                "function": f"{derive}.time_components.{functions[name]}",
            }
    periods = {"train": what.train, "val": what.val, "test": what.test}
    splits: dict[str, dict[str, Any]] = {name: {"start": start, "end": end} for name, (start, end) in periods.items()}
    splits["train"]["compute_statistics"] = {
        "ops": ["mean", "std", "diff_mean", "diff_std"],
        "dims": ["grid_index", "time"],
    }
    whole = {"start": what.train[0], "end": what.test[1], "step": what.step}
    variables = {"static": ["grid_index", "static_feature"], "state": ["time", "grid_index", "state_feature"], "forcing": ["time", "grid_index", "forcing_feature"]}  # fmt: skip
    return {
        "schema_version": "v0.6.0", "dataset_version": "v0.1.0", "extra": {"projection": what.projection},
        "output": {"variables": variables, "coord_ranges": {"time": whole}, "chunking": {"time": 1}, "splitting": {"dim": "time", "splits": splits}},
        "inputs": {"state": part("state", variables=[what.key]), "forcing": part("forcing", derived_variables=derived), "static": part("static", variables=list(what.statics))},
    }  # fmt: skip


def prepare(what: DataSet, data: Path, folder: Path) -> None:
    import yaml

    folder.mkdir(parents=True, exist_ok=True)
    source(what, data, folder)
    (folder / "data.datastore.yaml").write_text(yaml.safe_dump(datastore(what, folder), sort_keys=False))
    training = {"state_feature_weighting": {"__config_class__": "UniformFeatureWeighting"}}
    config = {"datastore": {"kind": "mdp", "config_path": "data.datastore.yaml"}, "training": training}
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    python = [sys.executable, "-m"]
    subprocess.run([*python, "mllam_data_prep", str(folder / "data.datastore.yaml")], check=True)
    graph = [*python, "neural_lam.create_graph", "--config_path", str(folder / "config.yaml")]
    subprocess.run([*graph, "--name", "multiscale"], check=True)
    subprocess.run([*graph, "--name", "hierarchical", "--hierarchical"], check=True)


def set_up() -> None:
    """What its program does not offer."""
    for name in ("botocore", "botocore.exceptions"):
        module: Any = types.ModuleType(name)
        module.__spec__, module.__path__ = importlib.machinery.ModuleSpec(name, None), []
        module.NoCredentialsError = type("NoCredentialsError", (Exception,), {})
        sys.modules.setdefault(name, module)
    import pytorch_lightning as pl
    import torch
    from neural_lam import utils
    from neural_lam.datastore.mdp import MDPDatastore

    assert MDPDatastore.__init__.__defaults__ == (30, True)
    MDPDatastore.__init__.__defaults__ = (BORDER, True)

    class Logger(pl.loggers.CSVLogger):
        def log_image(self, key: str, images: Any, step: Any = None) -> None:
            pass

    utils.setup_training_logger = lambda datastore, args, run_name, run_dir: Logger(run_dir, name="", version="")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


def train(seconds: float, result: Path, arguments: list[str]) -> None:
    set_up()
    import pytorch_lightning as pl
    from neural_lam import train_model

    class Clock(pl.Callback):
        begun = 0.0

        def on_fit_start(self, *_: Any) -> None:
            self.begun = time.process_time()

        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            if time.process_time() - self.begun > seconds:
                trainer.should_stop = True

        def on_fit_end(self, trainer: Any, _: Any) -> None:
            spent = {"cpu_s": time.process_time() - self.begun, "steps": trainer.global_step}
            result.write_text(json.dumps(spent))

    real = pl.Trainer
    pl.Trainer = lambda *words, callbacks=(), **named: real(*words, callbacks=[*callbacks, Clock()], enable_progress_bar=False, enable_model_summary=False, **named)  # fmt: skip
    train_model.main(arguments)


def evaluate(checkpoint: str, folder: Path, steps: int) -> None:
    set_up()
    import torch
    from loguru import logger
    from neural_lam.config import load_config_and_datastore
    from neural_lam.train_model import load_forecaster_module_from_checkpoint
    from neural_lam.weather_dataset import WeatherDataset

    logger.remove()
    config, store = load_config_and_datastore(config_path=str(folder / "config.yaml"))
    module = load_forecaster_module_from_checkpoint(checkpoint, config, store).to("cpu").eval()
    asked = module.hparams["args"]
    window = {key: getattr(asked, key) for key in ("num_past_forcing_steps", "num_future_forcing_steps")}
    data = WeatherDataset(store, split="test", ar_steps=steps, **window)
    interior, errors = torch.tensor(store.boundary_mask.values == 0), []
    with torch.no_grad():
        for batch in torch.utils.data.DataLoader(data, batch_size=16):
            target = batch[1]
            prediction = module.common_step(module.on_after_batch_transfer(batch, 0))[0]
            prediction = prediction * module.state_std + module.state_mean
            errors.append(((prediction - target)[:, :, interior] ** 2).double().mean(dim=(2, 3)))
    squares = torch.cat(errors)
    json.dump({"rmse": squares.mean(0).sqrt().tolist(), "num_starts": len(squares)}, sys.stdout)


def main() -> None:
    verb, *words = sys.argv[1:]
    if verb == "prepare":
        prepare(DATA[words[0]], Path(words[1]), Path(words[2]))
    elif verb == "train":
        train(float(words[0]), Path(words[1]), words[2:])
    else:
        parser = argparse.ArgumentParser()
        parser.add_argument("checkpoint")
        parser.add_argument("folder", type=Path)
        parser.add_argument("--steps", type=int, default=12)
        a = parser.parse_args(words)
        evaluate(a.checkpoint, a.folder, a.steps)


if __name__ == "__main__":
    main()
