import json
from pathlib import Path

import pytest
import torch

from py4cast.cli.main import main
from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.losses import registry as losses
from py4cast.strategies.ensemble import EnsembleSettings
from py4cast.strategies.untied import check_untied
from py4cast.testing import check_strategy, make_batch, make_info
from py4cast.workflows.config import build_config
from tests.cli.parsing import run

INFO = make_info((16, 16))


def made(**settings: object) -> Forecaster:
    torch.manual_seed(0)
    return Forecaster.build(
        INFO, "halfunet", "ensemble", 2, {"num_filters": 8, "norm": "group"}, {"num_noise": 2, **settings}
    ).eval()


@pytest.mark.parametrize(
    "settings",
    [{}, {"noise": "vector", "num_noise": 4}, {"noise": "both", "num_vector": 3}, {"num_inter_steps": 2}],
    ids=["cells", "vector", "both", "inter"],
)
def test_it_keeps_the_contract(settings: dict) -> None:
    check_strategy("ensemble", settings, num_input_steps=1)


def test_a_vector_needs_a_network_that_takes_one() -> None:
    with pytest.raises(SettingsError, match="model 'unet' takes no condition.*: halfunet.*cnn|cnn.*halfunet"):
        Forecaster.build(INFO, "unet", "ensemble", 2, {}, {"noise": "vector"})


def test_both_steer_the_network_and_stand_on_its_cells() -> None:
    forecaster = made(noise="both", num_vector=3)
    noise = forecaster.strategy.noise_of_step
    assert (noise.kind, noise.size) == ("cells", 5) and forecaster.strategy.condition_size == 3
    with torch.no_grad():
        for weight in forecaster.network.parameters():
            weight.add_(0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    batch, values = make_batch(INFO), torch.zeros(2, 16, 16, 5)
    state, forcing = batch.inputs.tensor, batch.forcing.tensor[:, 0]
    still = forecaster(state, forcing, noise=values)
    inside = ~INFO.statics.border_mask.bool().squeeze()
    for place, everywhere in (((0, 0, 4), True), ((8, 8, 0), False), ((3, 3, 4), None)):
        moved = values.clone()
        moved[:, place[0], place[1], place[2]] = 1.0
        changed = (forecaster(state, forcing, noise=moved) != still).any(-1)[0]
        if everywhere is None:
            # the vector is read from the first cell alone
            assert not bool(changed.any())
        else:
            assert bool(changed[8, 8]) and bool(changed[inside].all()) is everywhere


def test_batch_norm_is_refused_where_members_are_trained() -> None:
    tied = Forecaster.build(INFO, "halfunet", "ensemble", 2, {"num_filters": 4, "norm": "batch"})
    with pytest.raises(SettingsError, match="model.norm batch: the 4 members .* use --set model.norm=group"):
        check_untied(tied.strategy, tied.network)
    check_untied(made().strategy, made().network)


def test_members_differ_and_are_as_many_as_are_asked_for() -> None:
    forecaster, batch = made(num_members_val=5), make_batch(INFO, num_pred_steps=3)
    forecast = forecaster.forecast(batch, seed=1)
    assert list(forecast.names)[:3] == ["batch", "member", "timestep"] and forecast.tensor.shape[1] == 5
    inside = ~INFO.statics.border_mask.bool().squeeze()
    assert float(forecast.tensor[:, :, :, inside].std(1).min()) > 0
    few = forecaster.forecast(batch, num_members=2, seed=1)
    torch.testing.assert_close(few.tensor, forecast.tensor[:, :2], rtol=1e-5, atol=1e-4)


def test_the_best_epoch_is_that_of_the_fair_crps_of_the_forecast() -> None:
    forecaster, batch = made(), make_batch(INFO, num_pred_steps=2)
    loss = losses.get("sum")(INFO)
    forecast = forecaster.forecast(batch, seed=3)
    value = forecaster.validation_loss(batch, loss, forecast, 3)
    fair = losses.get("crps")(INFO).for_validation()
    truth = forecaster._standardised(batch)[2]
    torch.testing.assert_close(value, fair(forecaster.predictions.standardise(forecast.tensor), truth))


def test_a_perfect_sampler_is_chosen_before_one_that_has_collapsed() -> None:
    """Members of the truth's own law have a larger error each than their mean has."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(64, 1, 16, 16, len(INFO.predicted), generator=generator)
    perfect = torch.randn(64, 8, 1, 16, 16, len(INFO.predicted), generator=generator)
    chosen = losses.get("sum")(INFO).for_validation()
    one, mean = chosen(perfect, truth).mean(), chosen(torch.zeros_like(perfect), truth).mean()
    assert float(one) == pytest.approx(float(mean) / 2**0.5, rel=0.05)


@pytest.mark.parametrize(
    ("loss", "message"), [("mse", "scores one forecast"), ("crps", "scores every cell for itself")]
)
def test_losses_that_teach_no_field_are_refused(loss: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        made().strategy.check_loss(losses.get(loss)(INFO))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_members": 1}, "num_members 1: the fair CRPS needs at least 2"),
        ({"num_noise": 0}, "num_noise 0: members by noise need at least 1"),
        ({"num_inter_steps": 0}, "at least 1"),
        ({"noise_lengths": ()}, "expected numbers of 0 or more"),
        ({"noise_lengths": (1.0,), "noise": "vector"}, "a vector has no cells"),
    ],
)
def test_settings_without_members_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EnsembleSettings(**settings)


def test_the_strategy_says_what_it_is_trained_on() -> None:
    document = {"strategy": {"name": "ensemble"}}
    config = build_config(document, [])
    assert config.train.loss == "sum" and config.model.settings == {"norm": "group"}
    config = build_config(
        {**document, "model": {"name": "unet", "settings": {"norm": "none"}}}, ["train.loss=energy_score"]
    )
    assert config.train.loss == "energy_score" and config.model.settings == {"norm": "none"}
    assert build_config({**document, "model": {"name": "cnn"}}, []).model.settings == {}, "it has no norm"
    assert build_config({}, []).train.loss == "mse"


def test_terms_of_the_loss_are_settings() -> None:
    terms = [{"loss": "crps"}, {"loss": "energy_score", "weight": 0.5}]
    config = build_config({"strategy": {"name": "ensemble"}}, [f"loss.sum={json.dumps(terms)}"])
    config.check()
    assert [t["loss"] for t in config.loss.of_loss()["terms"]] == ["crps", "energy_score"]
    with pytest.raises(SettingsError, match="alpha 2"):
        build_config({"train": {"loss": "crps"}}, ["loss.settings.alpha=2"]).check()


def test_it_trains_by_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PY4CAST_ROOTDIR", str(tmp_path))
    small = ["--set", "dataset.num_train=24", "--set", "dataset.num_valid=8", "--set", "dataset.num_test=8"]
    few = ["--set", "model.num_filters=8", "--num_pred_steps_val_test", "2", "--epochs", "1", "--no_log"]
    run(
        "train", "--dataset", "stochastic", "--strategy", "ensemble", "--num_members", "2", "--num_members_val", "3",
        "--run_name", "r", *small, *few,
    )  # fmt: skip
    folder = Path(capsys.readouterr().out.splitlines()[-1])
    scores = json.loads((folder / "scores.json").read_text())["model"]["state"]
    for name in ("fair_crps", "crps", "spread_skill", "spread", "rmse", "pooled_spread_skill", "neighbour_correlation"):
        assert len(scores[name]) == 2, name
    config = json.loads((folder / "config.json").read_text())
    assert config["train"]["loss"] == "sum" and config["strategy"]["settings"]["num_members_val"] == 3


def test_members_of_a_strategy_without_noise_are_refused_before_anything_is_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["train", "--num_members", "4", "--strategy", "scaled_ar"]) == 2
    assert "strategy 'scaled_ar' makes one forecast; members come from ensemble" in capsys.readouterr().err
