"""hybrid: what a step is, what the trainings differentiate, and what is refused."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from py4cast.batch import ItemBatch
from py4cast.datasets import DatasetABC, get_datasets
from py4cast.errors import NumericalError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.losses import registry as losses
from py4cast.physics import PhysicsABC
from py4cast.physics import registry as physics_registry
from py4cast.settings import Settings, setting
from py4cast.strategies.hybrid import Hybrid
from py4cast.strategies.hybrid.objectives import Samples, spectral_error
from py4cast.testing import make_batch, make_info

TINY = ["fine=32", "coarse=16", "step=0.02", "spinup=8", "num_train=12", "num_valid=6", "num_test=6"]


@pytest.fixture(scope="module")
def qg(tmp_path_factory: pytest.TempPathFactory) -> DatasetABC:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PY4CAST_ROOTDIR", str(tmp_path_factory.mktemp("qg")))
        return get_datasets("qg", 1, 4, 4, None, TINY)[0]


def build(data: DatasetABC, model: str = "zero", **settings: Any) -> tuple[Forecaster, Hybrid]:
    torch.manual_seed(0)
    model_settings = {"num_filters": 4, "num_layers": 2} if model == "cnn" else {}
    forecaster = Forecaster.build(data.info, model, "hybrid", 1, model_settings, settings)
    assert isinstance(forecaster.strategy, Hybrid)
    return forecaster.eval(), forecaster.strategy


def samples_of(forecaster: Forecaster, batch: ItemBatch) -> Samples:
    states, forcing, truth = forecaster._standardised(batch)
    assert truth is not None
    return Samples(states, forcing, truth, None)


class Exact(torch.nn.Module):
    """A network that knows the subgrid tendency of every step."""

    def __init__(self, rates: Tensor) -> None:
        super().__init__()
        self.rates, self.calls = rates, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.rates[:, self.calls - 1]


def rates_of(hybrid: Hybrid, truth: Tensor) -> Tensor:
    return truth[..., hybrid.names.index("subgrid_tendency")].unsqueeze(-1)


# A step ----------------------------------------------------------------------------------------------


def test_without_a_network_it_is_the_physics(qg: DatasetABC) -> None:
    forecaster, hybrid = build(qg, num_substeps=2)
    batch = qg.read_batch([0, 5])
    found = forecaster.forecast(batch)
    state = batch.inputs.tensor[:, 0]
    seconds = float(qg.info.step_duration / np.timedelta64(1, "s"))
    assert batch.forcing is not None
    for step in range(4):
        state = hybrid.physics.advance(state, seconds / 2, 2, batch.forcing.tensor[:, step])
        torch.testing.assert_close(found["vorticity"][:, step], state, atol=1e-11, rtol=1e-5)
    stream = hybrid.physics.derive(state, ("stream_function",))
    torch.testing.assert_close(found["stream_function"][:, -1], stream, atol=2.0, rtol=1e-4)
    assert found["subgrid_tendency"].abs().max() < 1e-20, "nothing was added"


def test_the_parameters_are_those_of_the_data_unless_set(qg: DatasetABC) -> None:
    told = qg.info.lineage["physics"]["barotropic"]
    _, hybrid = build(qg)
    assert hybrid.physics.settings.drag == told["drag"] and hybrid.physics.settings.viscosity == told["viscosity"]
    _, hybrid = build(qg, physics_settings={"drag": 0.5})
    assert hybrid.physics.settings.drag == 0.5 and hybrid.physics.settings.viscosity == told["viscosity"]


@pytest.mark.parametrize("coupling", ["tendency", "correction"])
def test_the_exact_rate_gives_the_truth(qg: DatasetABC, coupling: str) -> None:
    forecaster, hybrid = build(qg, coupling=coupling)
    samples = samples_of(forecaster, qg.read_batch([0, 5]))
    names = hybrid.names
    errors = []
    for model in (Exact(rates_of(hybrid, samples.truth)), Exact(torch.zeros_like(rates_of(hybrid, samples.truth)))):
        found = torch.stack(list(hybrid.rollout(model, samples.states, samples.forcing, 4)), dim=1)
        error = (found - samples.truth)[..., names.index("vorticity")]
        errors.append(float(error[:, -1].square().mean().sqrt()))
        assert model.calls == 4, "once per step"
    assert errors[0] < 0.3 * errors[1], errors


def test_a_rate_has_no_mean_where_the_physics_keeps_it(qg: DatasetABC) -> None:
    forecaster, _hybrid = build(qg, "cnn")
    batch = qg.read_batch([0])
    found = forecaster.forecast(batch)
    assert found["subgrid_tendency"].mean((2, 3)).abs().max() < 1e-6 * found["subgrid_tendency"].std()
    drift = found["vorticity"].mean((2, 3)) - batch.inputs.tensor.mean((2, 3))
    assert drift.abs().max() < 1e-6 * found["vorticity"].std()


def test_a_network_can_stand_for_a_term(qg: DatasetABC) -> None:
    _, whole = build(qg, physics_settings={"drag": 0.5})
    forecaster, part = build(qg, coupling="replacement", term="drag", physics_settings={"drag": 0.5})
    samples = samples_of(forecaster, qg.read_batch([0]))
    truth = next(whole.rollout(forecaster.network, samples.states, samples.forcing, 1))
    # the network that the drag is: −μ ω in units of the rate
    unit = part.physics.settings.time_unit

    def drag(x: Tensor) -> Tensor:
        omega = part.physical(x[..., :1])
        return part.rates.standardise(-0.5 / unit * omega)

    found = next(part.rollout(drag, samples.states, samples.forcing, 1))
    bare = next(part.rollout(forecaster.network, samples.states, samples.forcing, 1))
    state = slice(0, 1)
    error, effect = (truth - found)[..., state].abs().max(), (truth - bare)[..., state].abs().max()
    # held over the step, so equal to the order of the step
    assert float(error) < 0.2 * float(effect) and float(effect) > 1e-3


def test_the_rate_of_a_formula_and_of_the_network_add_up(qg: DatasetABC) -> None:
    forecaster, hybrid = build(qg, physics_settings={"closure": "smagorinsky"})
    batch = qg.read_batch([0])
    found = forecaster.forecast(batch, 1)["subgrid_tendency"][:, 0]
    closure = hybrid.physics.closure_tendency(batch.inputs.tensor[:, 0])
    torch.testing.assert_close(found, closure, atol=1e-17, rtol=1e-4)


def test_derived_fields_are_seen_by_the_network(qg: DatasetABC) -> None:
    forecaster, hybrid = build(qg, "cnn", derived=["stream_function", "stream_function"])
    samples = samples_of(forecaster, qg.read_batch([0]))
    x = hybrid.assemble(samples.states, samples.forcing_of(0))
    assert x.shape[-1] == 1 + 1 + 2
    stats = qg.info.stats["stream_function"]
    stream = hybrid.physics.derive(hybrid.physical(samples.states[:, 0]), ("stream_function",))
    torch.testing.assert_close(x[..., 2:3], (stream - stats["mean"]) / stats["std"], atol=1e-5, rtol=1e-4)
    # the forcing is found beside them
    given = qg.read_batch([0]).forcing
    assert given is not None
    torch.testing.assert_close(hybrid.physical_forcing(x), given.tensor[:, 0], atol=1e-18, rtol=1e-5)


# What is learned -------------------------------------------------------------------------------------


def test_offline_is_the_error_of_the_rate_alone(qg: DatasetABC) -> None:
    forecaster, hybrid = build(qg, training="offline")
    batch, loss = qg.read_batch([0, 3]), losses.get("mse")(qg.info)
    samples = samples_of(forecaster, batch)
    rates = rates_of(hybrid, samples.truth)
    assert float(hybrid.training_loss(Exact(rates), loss, *samples[:3]).max()) < 1e-9
    off = hybrid.training_loss(Exact(rates + torch.randn_like(rates) * 0.1), loss, *samples[:3])
    # w/σ_Δ²·⟨0.1²⟩ with the weight of a field without level
    weight = qg.info.state_weights["subgrid_tendency"] / qg.info.diff_stats["subgrid_tendency"]["std"] ** 2
    assert off.shape == (2, 4) and float(off.mean()) == pytest.approx(weight * 0.01, rel=0.1)


def test_online_is_the_error_of_the_states(qg: DatasetABC) -> None:
    forecaster, hybrid = build(qg, "cnn", spectral_weight=0.0)
    batch, loss = qg.read_batch([0, 3]), losses.get("mse")(qg.info)
    samples = samples_of(forecaster, batch)
    found = hybrid.training_loss(forecaster.network, loss, *samples[:3])
    prediction = torch.stack(list(hybrid.rollout(forecaster.network, samples.states, samples.forcing, 4)), dim=1)
    error = (prediction - samples.truth)[..., hybrid.names.index("vorticity")].square().mean((2, 3))
    weight = qg.info.state_weights["vorticity"] / qg.info.diff_stats["vorticity"]["std"] ** 2
    torch.testing.assert_close(found, weight * error, rtol=1e-4, atol=0)


def test_checkpointing_changes_memory_not_gradients(qg: DatasetABC) -> None:
    gradients = []
    for is_checkpointed in (False, True):
        forecaster, hybrid = build(qg, "cnn", is_checkpointed=is_checkpointed)
        forecaster.train()
        loss = losses.get("mse")(qg.info)
        samples = samples_of(forecaster, qg.read_batch([0, 3]))
        hybrid.training_loss(forecaster.network, loss, *samples[:3]).mean().backward()
        gradients.append([p.grad.clone() for p in forecaster.parameters() if p.grad is not None])
    assert len(gradients[0]) == len(list(forecaster.parameters()))
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


def test_memory_grows_with_the_root_of_the_steps(qg: DatasetABC) -> None:
    def kept(steps: int, is_checkpointed: bool) -> int:
        """Numbers kept before the backward pass: a state per segment, and what the loss needs of each step."""
        # every step sees the same instant again, so that a sample can be as long as it likes
        forecaster, hybrid = build(qg, "cnn", spectral_weight=0.0, is_checkpointed=is_checkpointed)
        forecaster.train()
        samples = samples_of(forecaster, qg.read_batch([0]))
        long = [t.repeat_interleave(steps // 4, dim=1) for t in (samples.forcing, samples.truth) if t is not None]
        sizes: list[int] = []

        def keep(tensor: Tensor) -> Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
            hybrid.training_loss(forecaster.network, losses.get("mse")(qg.info), samples.states, long[0], long[1])
        return sum(sizes)

    assert kept(16, True) < 3 * kept(4, True)
    assert kept(16, False) > 3.8 * kept(4, False), "all steps are kept without it"


def test_the_horizon_grows_with_the_updates(qg: DatasetABC) -> None:
    forecaster, hybrid = build(qg, "cnn", horizons=((0, 1), (2, 3)))
    forecaster.train()
    batch, loss = qg.read_batch([0]), losses.get("mse")(qg.info)
    assert [forecaster.training_loss(batch, loss).shape[1] for _ in range(4)] == [1, 1, 3, 3]
    assert int(hybrid.updates) == 4
    forecaster.eval()
    assert forecaster.training_loss(batch, loss).shape[1] == 4 and int(hybrid.updates) == 4
    far, _ = build(qg, "cnn", horizons=((0, 1), (2, 9)))
    with pytest.raises(SettingsError, match="9 steps at batch 2, the samples hold 4; set num_pred_steps_train"):
        far.train().training_loss(batch, loss)
    between, _ = build(qg, "cnn", horizons=((0, 1), (2, 9), (4, 2)))
    with pytest.raises(SettingsError, match="9 steps at batch 2"):
        between.train().training_loss(batch, loss)


def test_the_spectral_error_is_the_squared_ratio_of_powers_in_decades() -> None:
    truth = torch.randn(2, 16, 16, 1)
    torch.testing.assert_close(spectral_error(10 * truth, truth, 1), torch.full((2,), 4.0), atol=1e-4, rtol=0)
    shifted = torch.roll(truth, (3, 5), (1, 2))
    assert float(spectral_error(shifted, truth, 1).max()) < 1e-6, "places do not count"


def test_increments_are_what_a_short_forecast_lacks(qg: DatasetABC) -> None:
    forecaster, hybrid = build(qg, training="increments", physics_settings={"drag": 0.3})
    samples = samples_of(forecaster, qg.read_batch([0, 3]))
    truth = hybrid.physical(samples.truth[:, -1, ..., :1])
    state = samples.states
    forecast = list(hybrid.rollout(forecaster.network, state, samples.forcing, 4))[-1]
    seconds = 4 * float(qg.info.step_duration / np.timedelta64(1, "s"))
    increment = (truth - hybrid.physical(forecast[..., :1])) / seconds
    seen: list[Tensor] = []

    def network(x: Tensor) -> Tensor:
        seen.append(x)
        return hybrid.rates.standardise(increment)

    loss = losses.get("mse")(qg.info)
    found = hybrid.training_loss(network, loss, *samples[:3])
    assert found.shape == (2, 1) and float(found.max()) < 1e-6
    torch.testing.assert_close(seen[0][..., :1], forecast[..., :1], atol=1e-5, rtol=1e-4)
    silent = hybrid.training_loss(forecaster.network, loss, *samples[:3])
    assert float(silent.min()) > 1e3 * float(found.max())


def test_parameters_of_the_physics_are_learned_and_saved(qg: DatasetABC, tmp_path: Path) -> None:
    forecaster, hybrid = build(qg, physics_settings={"drag": 0.06, "learn": ["drag"]}, spectral_weight=0.0)
    forecaster.train()
    assert [n for n, _ in forecaster.named_parameters()] == ["strategy.physics.logs.drag"]
    optimizer, loss = torch.optim.Adam(forecaster.parameters(), lr=0.1), losses.get("mse")(qg.info)
    given = qg.read_batch(list(range(6)))
    # the truth of a flow without subgrid term, so that the drag alone is wrong
    truth = build(qg)[0].forecast(given)
    batch = ItemBatch({**given.fields, "outputs": truth}, init_time=given.init_time)
    first = None
    for _ in range(80):
        optimizer.zero_grad()
        value = forecaster.training_loss(batch, loss).mean()
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        first = first or float(value.detach())
    drag = float(hybrid.physics.coefficient("drag").detach())  # type: ignore[operator]
    assert drag == pytest.approx(0.02, rel=0.1) and float(value.detach()) < 0.1 * first
    forecaster.save(tmp_path / "forecaster.safetensors")
    again = Forecaster.load(tmp_path / "forecaster.safetensors").strategy
    assert float(again.physics.coefficient("drag").detach()) == pytest.approx(drag)  # type: ignore[operator,union-attr]


# Physics of one's own --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaxationSettings(Settings):
    """Settings of a relaxation."""

    time: float = setting(7200.0, "e-folding time [s]")


class Relaxation(PhysicsABC):
    """Creates ∂ₜx = −x/τ of two fields."""

    settings_kls: ClassVar[type] = RelaxationSettings
    prognostic: ClassVar[Mapping[str, str]] = {"a": "K", "b": "m s-1"}

    def __init__(self, settings: RelaxationSettings, grid: Any) -> None:
        super().__init__()
        self.settings = settings

    def tendency(self, state: Tensor, forcing: Tensor | None = None) -> Tensor:
        return -state / self.settings.time


class Wide(Relaxation):
    def tendency(self, state: Tensor, forcing: Tensor | None = None) -> Tensor:
        return torch.cat([state, state], dim=1)

    def advance(self, state: Tensor, *_: Any) -> Tensor:
        return self.tendency(state)


class Hot(Relaxation):
    prognostic: ClassVar[Mapping[str, str]] = {"a": "Pa", "b": "m s-1"}


class Blowing(Relaxation):
    def tendency(self, state: Tensor, forcing: Tensor | None = None) -> Tensor:
        return 1e4 * state**3


@pytest.fixture
def own_physics() -> Any:
    kinds = {"relaxation": Relaxation, "wide": Wide, "hot": Hot, "blowing": Blowing}
    for name, kind in kinds.items():
        physics_registry.register(name, kind)
    yield
    for name in kinds:
        physics_registry.unregister(name)


@pytest.mark.usefixtures("own_physics")
def test_a_tendency_is_all_that_a_physics_must_say() -> None:
    info = make_info()
    batch = make_batch(info, num_input_steps=1)
    settings = {"physics": "relaxation", "num_substeps": 4}
    forecaster = Forecaster.build(info, "zero", "hybrid", 1, {}, settings).eval()
    found = forecaster.forecast(batch)
    for step in range(3):
        expected = batch.inputs.tensor[:, 0] * math.exp(-0.5 * (step + 1))
        torch.testing.assert_close(found.tensor[:, step, ..., :2], expected, atol=1e-3, rtol=1e-4)
    # the diagnostic is the network's: its mean here, for a network that says nothing
    torch.testing.assert_close(found["d"], torch.full_like(found["d"], 3.0))
    learning = Forecaster.build(info, "cnn", "hybrid", 1, {"num_filters": 4}, settings)
    loss = learning.training_loss(batch, losses.get("mse")(info))
    loss.mean().backward()
    assert loss.shape == (2, 3) and all(p.grad is not None for p in learning.parameters())


@pytest.mark.usefixtures("own_physics")
def test_increments_train_all_that_the_network_gives_and_see_forcings_of_the_step_after() -> None:
    info = make_info()
    batch = make_batch(info, num_input_steps=1, num_pred_steps=3)
    settings = {"physics": "relaxation", "training": "increments"}
    forecaster = Forecaster.build(info, "cnn", "hybrid", 1, {"num_filters": 4}, settings).train()
    forecaster.training_loss(batch, losses.get("mse")(info)).mean().backward()
    last = list(forecaster.network.parameters())[-1]
    assert last.grad is not None and last.shape == (3,) and bool((last.grad != 0).all()), "a, b and the diagnostic d"
    hybrid, seen = forecaster.strategy, []
    states, forcing, truth = forecaster._standardised(batch)
    assert forcing is not None and truth is not None

    def network(x: Tensor) -> Tensor:
        seen.append(x)
        return torch.zeros(*x.shape[:-1], 3)

    found = hybrid.training_loss(network, losses.get("mse")(info), states, forcing, truth)
    torch.testing.assert_close(seen[-1][..., -forcing.shape[-1] :], forcing[:, 2])
    expected = batch.inputs.tensor[:, 0] * math.exp(-1.0)
    torch.testing.assert_close(hybrid.physical(seen[-1][..., :2]), expected, atol=1e-3, rtol=1e-3)  # type: ignore[operator]
    assert found.shape == (2, 1)
    short = make_batch(info, num_input_steps=1, num_pred_steps=1)
    with pytest.raises(SettingsError, match="set num_pred_steps_train=2 or more"):
        forecaster.training_loss(short, losses.get("mse")(info))


@pytest.mark.usefixtures("own_physics")
def test_a_subgrid_term_of_several_features_is_the_networks_own() -> None:
    info = make_info()
    settings = {"physics": "relaxation", "subgrid": "d"}
    found = (
        Forecaster.build(info, "zero", "hybrid", 1, {}, settings).eval().forecast(make_batch(info, num_input_steps=1))
    )
    torch.testing.assert_close(found["d"], torch.full_like(found["d"], 3.0))


@pytest.mark.usefixtures("own_physics")
def test_bad_physics_is_refused_in_one_line(qg: DatasetABC) -> None:
    info = make_info()
    batch = make_batch(info, num_input_steps=1)
    with pytest.raises(
        SettingsError, match=r"physics 'wide': a state of shape \(2, 17, 23, 2\) became \(2, 34, 23, 2\)"
    ):
        Forecaster.build(info, "zero", "hybrid", 1, {}, {"physics": "wide"}).forecast(batch)
    with pytest.raises(SettingsError, match=r"physics 'hot' takes a in \[Pa\]; the data have it in \[K\]"):
        Forecaster.build(info, "zero", "hybrid", 1, {}, {"physics": "hot"})
    blowing = Forecaster.build(info, "zero", "hybrid", 1, {}, {"physics": "blowing"})
    with pytest.raises(
        NumericalError, match=r"forecast of a, b is not finite at lead time 3600 seconds, first at row 0, column 0 \(55"
    ):
        blowing.forecast(batch)
    with pytest.raises(SettingsError, match="unknown physics 'barotropc'; did you mean 'barotropic'"):
        build(qg, physics="barotropc")


def test_what_does_not_fit_together_is_refused(qg: DatasetABC) -> None:
    with pytest.raises(SettingsError, match="physics 'barotropic' steps vorticity; the data have the state a, b"):
        Forecaster.build(make_info(), "zero", "hybrid", 1)
    cases: list[tuple[dict, str]] = [
        ({"training": "offline", "subgrid": "subgrid"}, "no diagnostic 'subgrid'; did you mean 'subgrid_tendency'"),
        ({"derived": ["stream"]}, "no derived field 'stream'"),
        ({"derived": ["eastward_velocity"]}, "the data have no statistics of it; make it a diagnostic"),
        ({"coupling": "replacement"}, "set the term that the network replaces; viscosity, drag"),
        ({"term": "drag"}, "only coupling=replacement replaces a term"),
        (
            {"training": "offline", "coupling": "replacement", "term": "drag"},
            "is not the term 'drag' that the network stands for",
        ),
        ({"training": "offline", "num_inter_steps": 2}, "given once per step of the data; num_inter_steps=1"),
        (
            {"training": "offline", "physics_settings": {"drag": 0.1, "learn": ["drag"]}},
            "learned through its steps alone",
        ),
        ({"training": "increments", "physics_settings": {"drag": 0.1, "learn": ["drag"]}}, "training=online"),
        ({"horizons": ((5, 1),)}, "rising batches, the first at 0"),
        ({"num_substeps": 0}, "must be at least 1"),
        ({"physics_settings": {"dragg": 1.0}}, "dragg"),
    ]
    for settings, message in cases:
        with pytest.raises(SettingsError, match=message):
            build(qg, **settings)
    with pytest.raises(SettingsError, match="num_inter_steps 2 needs num_input_steps 1"):
        Forecaster.build(qg.info, "zero", "hybrid", 2, {}, {"num_inter_steps": 2})


def test_a_replaced_forcing_is_seen_by_the_network_that_stands_for_it(qg: DatasetABC) -> None:
    batch = qg.read_batch([0])
    assert batch.forcing is not None
    stronger = ItemBatch(
        {**batch.fields, "forcing": batch.forcing.like(3 * batch.forcing.tensor)}, init_time=batch.init_time
    )
    widths = []
    for settings in ({}, {"coupling": "replacement", "term": "vorticity_forcing"}):
        forecaster, hybrid = build(qg, "cnn", **settings)
        widths.append(forecaster.network.model.layers[0].in_channels)  # type: ignore[attr-defined,union-attr]
        assert not torch.equal(forecaster.forecast(batch).tensor, forecaster.forecast(stronger).tensor)
    assert widths == [1, 2] and hybrid.acting.features == []


def test_a_step_too_long_for_the_flow_is_refused_in_training_too(qg: DatasetABC) -> None:
    batch = qg.read_batch([0])
    fast = ItemBatch({**batch.fields, "inputs": batch.inputs.like(50 * batch.inputs.tensor)}, init_time=batch.init_time)
    for training in ("online", "increments"):
        forecaster, _ = build(qg, "cnn", training=training)
        with pytest.raises(SettingsError, match="violates the CFL condition"):
            forecaster.train().training_loss(fast, losses.get("mse")(qg.info))
    forecaster, _ = build(qg, "cnn", training="offline")
    forecaster.train().training_loss(fast, losses.get("mse")(qg.info))


def test_a_step_too_long_for_the_flow_is_refused_before_it_is_taken(qg: DatasetABC) -> None:
    forecaster, _ = build(qg)
    batch = qg.read_batch([0])
    fast = ItemBatch({**batch.fields, "inputs": batch.inputs.like(50 * batch.inputs.tensor)}, init_time=batch.init_time)
    with pytest.raises(
        SettingsError, match=r"violates the CFL condition of physics 'barotropic': .* set strategy.num_substeps=\d+"
    ):
        forecaster.forecast(fast)
