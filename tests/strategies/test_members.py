"""A strategy with noise, as an outsider writes it: members through the whole house."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.losses import registry as losses
from py4cast.models import registry as models
from py4cast.namedtensor import NamedTensor
from py4cast.settings import Settings, setting
from py4cast.steppers import open_stepper
from py4cast.strategies import StrategyABC, registry
from py4cast.testing import check_strategy, make_batch, make_info
from py4cast.workflows.export import Export, export
from py4cast.workflows.forecast.members import Members
from tests.models.test_conditional import Steered

INFO = make_info((16, 16))


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisySettings(Settings):
    """Settings of noisy."""

    num_members: int = setting(3, "members in training")
    num_noise: int = setting(2, "numbers of noise per cell")
    num_inter_steps: int = setting(1, "calls per step")


class Noisy(StrategyABC):
    """x̂(t+1) = x̂(t) + f(x, η): the noise stands among the features of x."""

    settings_kls = NoisySettings
    noise = "cells"

    def __init__(self, settings, info):
        super().__init__(settings, info)
        self.num_members, self.num_noise = settings.num_members, settings.num_noise
        self.num_inter_steps = settings.num_inter_steps

    def advance(self, model, x, state):
        y = model(x)
        n = self.num_prognostic
        return torch.cat([state + y[..., :n], y[..., n:]], dim=-1)


class Shaken(Noisy):
    """The same by a vector, which steers the network."""

    noise = "vector"


class Hidden(Noisy):
    """Draws for itself and says nothing of it."""

    noise = "none"

    def __init__(self, settings, info):
        StrategyABC.__init__(self, settings, info)

    def advance(self, model, x, state):
        return super().advance(model, x, state) + torch.randn(())


@pytest.fixture(autouse=True)
def registered():
    @dataclass(frozen=True, slots=True, kw_only=True)
    class SteeredSettings(Settings):
        """None."""

    Steered.settings_kls = SteeredSettings
    models.register("steered", Steered)
    for name, kind in (("noisy", Noisy), ("shaken", Shaken), ("hidden", Hidden)):
        registry.register(name, kind)
    yield
    for name in ("noisy", "shaken", "hidden"):
        registry.unregister(name)
    models.unregister("steered")


def build(strategy: str = "noisy", **settings) -> Forecaster:
    torch.manual_seed(1)
    model, own = ("steered", {}) if strategy == "shaken" else ("halfunet", {"num_filters": 4, "norm": "group"})
    forecaster = Forecaster.build(INFO, model, strategy, 2, own, settings).eval()
    for module in forecaster.modules():  # what a condition adds is 0 at the start
        if hasattr(module, "embedding"):
            nn.init.normal_(module.embedding[2].weight)
    return forecaster


@pytest.mark.parametrize("settings", [{}, {"num_members": 1}, {"num_noise": 5}])
def test_a_strategy_with_noise_keeps_the_contract(settings: dict) -> None:
    check_strategy("noisy", settings)
    check_strategy("noisy", {**settings, "num_inter_steps": 2}, 1)


@pytest.mark.parametrize("strategy", ["noisy", "shaken"])
def test_a_member_is_the_same_whatever_the_batch_and_the_number(strategy: str) -> None:
    forecaster, batch = build(strategy), make_batch(INFO, batch_size=4)
    many = forecaster.forecast(batch, 3, 5, seed=3)
    assert many.names == ["batch", "member", "timestep", "lat", "lon", "features"] and many.shape[:3] == (4, 5, 3)
    fields = {key: value.isel(batch=slice(2, 3)) for key, value in batch.fields.items()}
    alone = forecaster.forecast(type(batch)(fields, init_time=batch.init_time[2:3]), 3, 2, seed=3)
    torch.testing.assert_close(alone.tensor[0], many.tensor[2, :2], atol=1e-4, rtol=1e-5)
    assert float((many.tensor[:, 0] - many.tensor[:, 1]).abs().max()) > 1e-3
    other = forecaster.forecast(batch, 3, 5, seed=4)
    assert float((many.tensor - other.tensor).abs().max()) > 1e-3


def test_the_number_of_the_strategy_is_read() -> None:
    batch = make_batch(INFO)
    assert build(num_members=4).forecast(batch, 1).dim_size("member") == 4
    assert "member" not in build(num_members=1).forecast(batch, 1).names
    assert build(num_members=4).forecast(batch, 1, 1).names == ["batch", "timestep", "lat", "lon", "features"]


def test_a_vector_goes_to_a_network_that_takes_it_or_is_refused() -> None:
    assert build("shaken").network.model.norm.embedding[0].in_features == 2
    with pytest.raises(SettingsError, match="model 'unet' takes no condition"):
        Forecaster.build(INFO, "unet", "shaken", 2)


def test_what_cannot_make_members_says_where_they_come_from() -> None:
    forecaster = Forecaster.build(INFO, "halfunet", "diff_ar", 2, {"num_filters": 4}).eval()
    with pytest.raises(SettingsError, match=r"num_members 3: .* members come from .* an ensemble of analyses"):
        forecaster.forecast(make_batch(INFO), 1, 3)
    with pytest.raises(SettingsError, match="num_members 0: expected at least 1"):
        build().forecast(make_batch(INFO), 1, 0)
    with pytest.raises(SettingsError, match="noise 'cells' of 0 numbers"):
        build(num_noise=0)


def test_noise_that_nobody_gave_is_told(caplog: pytest.LogCaptureFixture) -> None:
    build("noisy").forecast(make_batch(INFO), 2)
    assert not caplog.records
    build("hidden").forecast(make_batch(INFO), 2)
    (told,) = caplog.records
    assert "strategy 'hidden' or model 'halfunet' draws random numbers of its own" in told.getMessage()
    with pytest.raises(DataError, match="a batch without init_time"):
        build().forecast(type(make_batch(INFO))(make_batch(INFO).fields), 1)


def test_noise_of_another_size_is_refused() -> None:
    forecaster, batch = build(), make_batch(INFO)
    with pytest.raises(ValueError, match=r"takes 2 numbers of noise \(cells\) per step, 0 given"):
        forecaster(batch.inputs.tensor, batch.forcing.tensor[:, 0])


def test_members_are_trained_together_on_a_loss_that_takes_them() -> None:
    forecaster, batch = build().train(), make_batch(INFO)
    crps, mse = losses.get("crps")(INFO), losses.get("mse")(INFO)
    with pytest.raises(SettingsError, match="loss WeightedMSE scores one forecast, strategy Noisy trains 3 members"):
        forecaster.strategy.check_loss(mse)
    forecaster.strategy.check_loss(crps)
    value = forecaster.training_loss(batch, crps, seed=5)
    assert value.shape == (2, 3) and torch.equal(value, forecaster.training_loss(batch, crps, seed=5))
    assert not torch.equal(value, forecaster.training_loss(batch, crps, seed=6))
    # the loss of the members that a forecast of the same seed makes
    forecast = forecaster.eval().forecast(batch, seed=5)
    standardised = forecaster.predictions.standardise(forecast.tensor)
    truth = forecaster.predictions.standardise(batch.outputs.tensor)
    torch.testing.assert_close(
        forecaster.training_loss(batch, crps, seed=5), crps(standardised, truth), rtol=1e-4, atol=1e-5
    )


def test_the_best_epoch_is_not_that_of_one_random_member() -> None:
    forecaster, batch, crps = build(), make_batch(INFO), losses.get("crps")(INFO)
    forecast = forecaster.forecast(batch, seed=0)
    value = forecaster.validation_loss(batch, crps, forecast, seed=0)
    torch.testing.assert_close(value, forecaster.training_loss(batch, crps, seed=0))
    one = forecaster.validation_loss(batch, crps, NamedTensor(forecast.tensor[:, 0], ["batch", "timestep", "lat", "lon", "features"], INFO.predicted), seed=0)  # fmt: skip
    torch.testing.assert_close(one, value, msg="whatever forecast is shown")


def test_saved_and_exported_steps_make_the_same_members(tmp_path: Path) -> None:
    forecaster, batch = build(num_noise=3), make_batch(INFO)
    forecaster.save(tmp_path / "f.safetensors")
    export(Export(forecaster=str(tmp_path / "f.safetensors"), output=str(tmp_path / "f.onnx"), num_steps=2))
    expected = forecaster.forecast(batch, 2, 4, seed=9).tensor[0].numpy()
    for name in ("f.safetensors", "f.onnx"):
        stepper = open_stepper(tmp_path / name)
        assert stepper.info.noise.size == 3 and stepper.info.num_members == 3
        members = Members(stepper.info, batch.init_time[0], (), 4, 9)
        state = batch.inputs.tensor[:1].numpy()
        steps = list(stepper.rollout(members.states(state), members.given(_given(batch))))
        np.testing.assert_allclose(np.stack(steps, 1), expected, atol=2e-4)


def _given(batch):
    from py4cast.given import Given

    for step in range(2):
        yield Given(batch.forcing.tensor[:1, step].numpy())


def test_an_exported_step_without_noise_is_refused(tmp_path: Path) -> None:
    forecaster, batch = build(), make_batch(INFO)
    forecaster.save(tmp_path / "f.safetensors")
    export(Export(forecaster=str(tmp_path / "f.safetensors"), output=str(tmp_path / "f.onnx"), num_steps=1))
    stepper = open_stepper(tmp_path / "f.onnx")
    with pytest.raises(ValueError, match=r"the step takes noise \(cells of 2\), none given"):
        list(stepper.rollout(batch.inputs.tensor.numpy(), _given(batch)))


def test_members_of_the_input_and_of_noise_multiply() -> None:
    from py4cast.steppers import StepInfo

    forecaster = build()
    arrays = {k: v.numpy() for k, v in INFO.pack()[1].items()}
    info = StepInfo.from_header(forecaster.header() | {"lineage": {}}, arrays)
    start = np.datetime64("2020-01-01T00", "s")
    assert Members(info, start, (7, 9), 1).numbers == (7, 9), "the input's numbers are kept"
    both = Members(info, start, (7, 9), 2)
    assert both.numbers == (0, 1, 2, 3)
    states = np.stack([np.zeros((2, 16, 16, 2), np.float32), np.ones((2, 16, 16, 2), np.float32)])
    assert both.states(states)[:, 0, 0, 0, 0].tolist() == [0, 0, 1, 1]
    assert Members(info, start).numbers == (0, 1, 2), "as many as it was trained on"
    with pytest.raises(SettingsError, match="--num_members 0: expected at least 1"):
        Members(info, start, (), 0)


PLUGIN = '''
import torch
from dataclasses import dataclass
from py4cast.settings import Settings, setting
from py4cast.strategies import StrategyABC


@dataclass(frozen=True, slots=True, kw_only=True)
class GustySettings(Settings):
    """Settings of gusty."""

    num_members: int = setting(2, "members in training")


class Gusty(StrategyABC):
    settings_kls = GustySettings
    noise, num_noise = "cells", 1

    def __init__(self, settings, info):
        super().__init__(settings, info)
        self.num_members = settings.num_members

    def advance(self, model, x, state):
        y = model(x)
        n = self.num_prognostic
        return torch.cat([state + y[..., :n], y[..., n:]], dim=-1)
'''


def test_members_from_the_command_line(tmp_path: Path) -> None:
    from tests.command import py4cast

    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "py4cast_plugin_gusty.py").write_text(PLUGIN)
    settings = {"PYTHONPATH": str(tmp_path / "plugins"), "PY4CAST_ROOTDIR": str(tmp_path / "root")}
    small = ["--set", "dataset.size=16", "--set", "dataset.num_train=16", "--set", "dataset.num_valid=10"]
    small += ["--set", "dataset.num_test=10", "--set", "model.num_filters=4", "--set", "model.norm=group"]
    words = ["train", "--dev_mode", "--strategy", "gusty", *small, "--num_pred_steps_val_test", "2"]
    refused = py4cast(*words, "--no_log", cwd=tmp_path, **settings)
    assert refused.returncode == 2 and "choose one that takes members, such as crps" in refused.stderr
    done = py4cast(*words, "--loss", "crps", cwd=tmp_path, **settings)
    assert done.returncode == 0, done.stderr[-2000:]
    run = Path(done.stdout.splitlines()[-1])
    assert {p.name for p in (run / "plots").glob("test_spread*.png")}, "an observer of members sees them"

    def forecast(*more: str) -> tuple[int, str, Path]:
        out = tmp_path / "forecast.nc"
        found = py4cast(
            "forecast", "--forecaster", str(run / "forecaster.safetensors"), "--init_time", "2021-01-01T00",
            "--num_steps", "2", "--output", str(out), *more, cwd=tmp_path, **settings,
        )  # fmt: skip
        return found.returncode, found.stderr, out

    code, told, _ = forecast("--init_time", "1999-01-01T00")
    assert code == 3 and "they hold" not in told
    start = told.split("which hold ")[1].split(" to ")[0]
    read = []
    for more in (["--init_time", start], ["--init_time", start], ["--init_time", start, "--seed", "1"]):
        code, told, out = forecast(*more)
        if code == 3:  # the first instant has no past
            later = str(np.datetime64(start) + np.timedelta64(12, "h"))
            more[1] = later
            code, told, out = forecast(*more)
        assert code == 0, told
        with xr.open_dataset(out, decode_timedelta=False) as data:
            read.append(data.load())
    name = next(n for n, v in read[0].items() if "member" in v.dims)
    assert read[0].sizes["member"] == 2 and np.array_equal(read[0][name].values, read[1][name].values)
    assert np.abs(read[0][name].values - read[2][name].values).max() > 0
    code, told, out = forecast("--init_time", str(read[0]["init_time"].values)[:19], "--num_members", "5")
    assert code == 0, told
    with xr.open_dataset(out, decode_timedelta=False) as data:
        assert data.sizes["member"] == 5
        np.testing.assert_allclose(data[name].isel(member=slice(0, 2)), read[0][name], atol=1e-3)
    scored = py4cast(
        "verify", "--forecaster", str(run / "forecaster.safetensors"), "--num_steps", "2", "--num_members", "4",
        "--output", str(tmp_path / "v"), cwd=tmp_path, **settings,
    )  # fmt: skip
    assert scored.returncode == 0, scored.stderr[-2000:]
    import json

    scores = json.loads((tmp_path / "v" / "scores.json").read_text())
    assert "fair_crps" in next(iter(scores["model"].values())), "members are scored as members"
