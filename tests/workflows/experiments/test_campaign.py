"""The trainings of an experiment: their names, their settings, and going on after a kill."""

from pathlib import Path

import pytest
import torch

from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.workflows.experiments.campaign import Campaign
from py4cast.workflows.experiments.mapping.settings import MappingExperiment
from py4cast.workflows.train.run import run_folder

DATA = {"name": "dummy", "settings": {"size": 16, "num_train": 12, "num_valid": 6, "num_test": 6, "border_size": 2}}
MODEL = {"name": "cnn", "settings": {"num_filters": 4, "num_layers": 1}}
STRATEGY = {"name": "diff_ar"}
DOCUMENT = {"train": {"epochs": 1, "limit_train_batches": 2}}


def test_a_campaign_is_named_by_all_that_is_asked_for() -> None:
    first, same, other = (MappingExperiment(methods={"net": {"train": {"epochs": n}}}) for n in (1, 1, 2))
    names = [Campaign("mapping", asked).name for asked in (first, same, other)]
    assert names[0] == names[1] != names[2] and names[0].startswith("mapping-")
    assert Campaign("closure", first).name != names[0]


def test_a_training_has_its_settings_over_the_defaults_and_its_seed_over_both() -> None:
    config = Campaign.config(DATA, MODEL, STRATEGY, {"train": {"epochs": 7, "seed": 1}, "optim": {"lr": 0.5}}, seed=3)
    assert (config.train.epochs, config.train.seed, config.train.num_input_steps, config.optim.lr) == (7, 3, 1, 0.5)
    assert config.model.name == "cnn" and config.dataset.settings["size"] == 16


@pytest.mark.parametrize(
    ("model", "strategy", "document", "message"),
    [
        ({"name": "cnnn"}, STRATEGY, {}, "unknown model 'cnnn'; did you mean 'cnn'"),
        ({"name": "cnn", "settings": {"num_filter": 4}}, STRATEGY, {}, "model.num_filter: unknown setting"),
        (
            MODEL,
            {"name": "hybrid", "settings": {"training": "offlin"}},
            {},
            "strategy.training: expected .* did you mean 'offline'",
        ),
        (MODEL, STRATEGY, {"train": {"loss": "msee"}}, "unknown loss 'msee'; did you mean 'mse'"),
    ],
)
def test_mistakes_are_told_before_any_work(model: dict, strategy: dict, document: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Campaign.config(DATA, model, strategy, document, seed=0)


def test_a_training_that_was_killed_goes_on(tmp_path: Path) -> None:
    campaign = Campaign("mapping", MappingExperiment())
    config = Campaign.config(DATA, MODEL, STRATEGY, DOCUMENT, seed=0)
    folder = run_folder(config, campaign.name, "net-0")
    # killed before its first checkpoint: all that there is
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    campaign.train(config, "net-0", tmp_path / "saved" / "net.safetensors")
    first = Forecaster.load(tmp_path / "saved" / "net.safetensors")
    # killed after its last one: nothing is learned anew
    campaign.train(config, "net-0", tmp_path / "again.safetensors")
    again = Forecaster.load(tmp_path / "again.safetensors")
    assert first.names["model"] == "cnn" and len(list(first.parameters())) == 2
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
