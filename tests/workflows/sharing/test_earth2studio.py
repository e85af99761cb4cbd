"""A step as a prognostic model of Earth2Studio."""

import os
import subprocess
import sys
from collections import OrderedDict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.formats.reduced import octahedral
from py4cast.steppers import StepGiven, open_stepper
from py4cast.testing import make_info
from py4cast.variables import Variable
from py4cast.workflows.sharing.earth2studio import PrognosticStep, lexicon_name
from tests import forecasters
from tests.workflows.export.test_run import exported

ROOT = Path(__file__).resolve().parents[3]
PEER = ROOT / ".peers" / "earth2studio"
# their deterministic workflow over our step, on states from an array
CODE = """
import sys
import numpy as np, xarray as xr
from earth2studio.io import KVBackend
from earth2studio.models.px.base import PrognosticModel
from earth2studio.run import deterministic
from py4cast.workflows.sharing.earth2studio import PrognosticStep

model = PrognosticStep(sys.argv[1])
assert isinstance(model, PrognosticModel)
kept = np.load(sys.argv[2] + "/given.npz")
coords = model.input_coords()
states = {t + lead: kept["x"][i, j] for i, t in enumerate(kept["time"]) for j, lead in enumerate(kept["lead_time"])}

def data(time, variable):
    names = coords["variable"].tolist()
    values = np.stack([states[np.datetime64(t, "ns")][[names.index(v) for v in variable]] for t in time])
    return xr.DataArray(values, dims=("time", "variable", "lat", "lon"),
                        coords={"time": time, "variable": variable, "lat": coords["lat"], "lon": coords["lon"]})

io = deterministic(kept["time"], 3, model, data, KVBackend(), device="cpu", verbose=False)
np.savez(sys.argv[2] + "/made.npz", **{name: io.root[name].numpy() for name in coords["variable"].tolist()})
"""

START = np.datetime64("2020-01-05T06", "s")


def given(model: PrognosticStep, batch: int = 1) -> tuple[torch.Tensor, OrderedDict[str, Any]]:
    """States about the size of the variables, of two starts."""
    coords = model.input_coords()
    coords["batch"], coords["time"] = np.arange(batch), np.array([START, START + np.timedelta64(1, "D")], dtype="datetime64[ns]")  # fmt: skip
    shape = (batch, 2, coords["lead_time"].size, 3, *forecasters.GRID.shape)
    rng = np.random.default_rng(0)
    values = rng.normal(size=shape) + np.array([280, 3, -2])[:, None, None]
    return torch.from_numpy(values.astype(np.float32)), coords


def test_steps_are_those_of_the_exported_file(tmp_path: Path) -> None:
    path = exported(tmp_path, forcings=("hour", "toa_radiation"))
    model, stepper = PrognosticStep(path), open_stepper(path)
    assert model.input_coords()["variable"].tolist() == ["t2m", "u10m", "v10m"] and len(model.names) == 4
    x, coords = given(model, batch=2)
    steps = list(islice(model.create_iterator(x, coords), 4))
    assert torch.equal(steps[0][0], x[:, :, -1:]) and steps[0][1]["lead_time"].tolist() == [0]
    from py4cast.datasets.forcings import ComputedForcings

    computed = ComputedForcings(("hour", "toa_radiation"), forecasters.GRID, forecasters.STEP)
    for row, start in ((0, START), (1, START + np.timedelta64(1, "D"))):
        valid = start + np.arange(1, 4) * forecasters.STEP
        fields = np.moveaxis(computed.compute(valid), 0, -1)
        states = np.moveaxis(x[1, row].numpy(), 1, -1)[None]
        wanted = list(stepper.rollout(states, [StepGiven(f[None]) for f in fields]))
        for (made, at), expected, lead in zip(steps[1:], wanted, range(1, 4), strict=True):
            got = made[1, row, 0].numpy()
            np.testing.assert_allclose(got[:3], np.moveaxis(expected[0], -1, 0)[:3], rtol=1e-5, atol=1e-4)
            assert at["lead_time"][0] == lead * forecasters.STEP and at["variable"].tolist() == model.names
    # without a batch, and with two dimensions in its place
    bare = OrderedDict((k, v) for k, v in coords.items() if k != "batch")
    assert torch.equal(model(x[1], bare)[0], steps[1][0][1])
    wide, at = model(x[None].repeat(3, 1, 1, 1, 1, 1, 1), OrderedDict({"ensemble": np.arange(3)}) | coords)
    assert torch.equal(wide[2], steps[1][0]) and list(at) == ["ensemble", *coords]
    one, after = model(x, coords)
    assert torch.equal(one, steps[1][0]) and list(after) == list(model.output_coords(coords))
    np.testing.assert_array_equal(after["lead_time"], model.output_coords(coords)["lead_time"])


def test_members_of_a_batch_differ_and_come_again(tmp_path: Path) -> None:
    torch.manual_seed(0)
    own = Forecaster.build(
        forecasters.info(forcings=()), "halfunet", "ensemble", 2, {"num_filters": 8, "norm": "group"}
    )
    own.eval().save(tmp_path / "f.safetensors")
    model = PrognosticStep(tmp_path / "f.safetensors", seed=3, device="cpu")
    x, coords = given(model)
    x, coords["batch"] = x.repeat(3, 1, 1, 1, 1, 1), np.arange(3)
    first, again = (model(x, coords)[0] for _ in range(2))
    assert torch.equal(first, again) and float((first[0] - first[1]).abs().max()) > 0
    assert (
        float((PrognosticStep(tmp_path / "f.safetensors", seed=4, device="cpu")(x, coords)[0] - first).abs().max()) > 0
    )


@pytest.mark.parametrize(
    ("variable", "name", "scale"),
    [
        (Variable(name="t2m", short_name="2t", units="K"), "t2m", 1.0),
        (Variable(name="z_500", short_name="z", units="m2 s-2", level=500, type_of_level="isobaricInhPa"), "z500", 1.0),
        (Variable(name="gh", short_name="gh", units="m", level=850, type_of_level="isobaricInhPa"), "z850", 9.80665),
        (Variable(name="rain", short_name="tp", units="kg m-2"), "tp", 1e-3),
        (Variable(name="q", short_name="q", units="g kg-1", level=700, type_of_level="isobaricInhPa"), "q700", 1e-3),
        (Variable(name="dust", short_name="dust", units="kg m-3"), "dust", 1.0),
    ],
)
def test_variables_have_the_names_and_units_of_the_lexicon(variable: Variable, name: str, scale: float) -> None:
    told, factor, offset = lexicon_name(variable)
    assert told == name and factor == pytest.approx(scale) and offset == 0


def test_what_does_not_fit_is_told(tmp_path: Path) -> None:
    model = PrognosticStep(exported(tmp_path))
    x, coords = given(model)
    for name, values, told in (
        ("variable", np.array(["t2m", "u10m", "v100m"]), "variable t2m, u10m, v100m; expected t2m, u10m, v10m"),
        ("lat", coords["lat"][::-1], "lat .* expected"),
        ("lead_time", coords["lead_time"][:1], "lead_time .* expected"),
    ):
        with pytest.raises(ValueError, match=told):
            model(x, OrderedDict(coords) | {name: values})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="dimensions time, lat; expected batch, time, lead_time"):
        model.output_coords(OrderedDict({"time": coords["time"], "lat": coords["lat"]}))
    with pytest.raises(SettingsError, match="names: 't3m' is not predicted; did you mean 't2m'"):
        PrognosticStep(exported(tmp_path), {"t3m": "t2m"})
    info = make_info(octahedral(8))
    Forecaster.build(info, "graphlam", "scaled_ar", 2, {"hidden_dims": 8, "processor_layers": 1}).save(tmp_path / "p.safetensors")  # fmt: skip
    with pytest.raises(DataError, match="Earth2Studio's coordinates are rows and columns"):
        PrognosticStep(tmp_path / "p.safetensors")


def test_it_runs_in_their_workflow(tmp_path: Path) -> None:
    if not PEER.exists():
        pytest.skip(f"{PEER} is absent: `make peers` installs Earth2Studio in a folder of its own")
    path = exported(tmp_path)
    model = PrognosticStep(path)
    x, coords = given(model)
    np.savez(tmp_path / "given.npz", x=x[0].numpy(), lead_time=coords["lead_time"], time=coords["time"])
    done = subprocess.run(
        [sys.executable, "-c", CODE, path, tmp_path], capture_output=True, text=True, check=False, timeout=300, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(PEER), str(ROOT)])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    theirs = np.load(tmp_path / "made.npz")
    steps = [step[0, :, 0].numpy() for step, _ in islice(model.create_iterator(x, coords), 4)]
    for place, name in enumerate(("t2m", "u10m", "v10m")):
        np.testing.assert_allclose(theirs[name], np.stack([s[:, place] for s in steps], axis=1), rtol=1e-6)
