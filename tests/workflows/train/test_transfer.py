import fnmatch
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from py4cast.batch import ItemBatch
from py4cast.cli.main import main
from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.testing import make_batch, make_info
from py4cast.workflows.train.channels import channels_of, ends_of
from py4cast.workflows.train.transfer import freeze, transfer
from tests.cli.parsing import run

INFO = make_info((16, 16))
SMALL = {"num_filters": 4, "norm": "group"}


def made(strategy: str = "scaled_ar", model: str = "halfunet", seed: int = 0, **settings: object) -> Forecaster:
    torch.manual_seed(seed)
    small = SMALL if model == "halfunet" else {"num_filters": 4}
    return Forecaster.build(INFO, model, strategy, 2, {**small, **settings}).eval()


@pytest.mark.parametrize("model", ["halfunet", "cnn"])
def test_an_ensemble_begins_with_the_forecast_of_the_deterministic_one(model: str, tmp_path: Path) -> None:
    made(model=model).save(tmp_path / "f.safetensors")
    fresh = made("ensemble", model, seed=1)
    told = transfer(fresh, tmp_path / "f.safetensors")
    assert len(told.enlarged) == 1 and told.new == [] and len(told.kept) > 3
    assert "1 fitted to other inputs or outputs" in str(told) and "new inputs, which begin with zero: noise 0" in str(
        told
    )
    batch = make_batch(INFO)
    expected = Forecaster.load(tmp_path / "f.safetensors").forecast(batch).tensor
    members = fresh.forecast(batch, num_members=3).tensor
    std = INFO.stats.to_list("std", INFO.predicted)
    torch.testing.assert_close(members / std, expected.unsqueeze(1).expand_as(members) / std, rtol=1e-4, atol=1e-4)


def test_a_vector_comes_in_by_weights_of_its_own(tmp_path: Path) -> None:
    made().save(tmp_path / "f.safetensors")
    torch.manual_seed(1)
    steered = Forecaster.build(INFO, "halfunet", "ensemble", 2, SMALL, {"noise": "vector"}).eval()
    told = transfer(steered, tmp_path / "f.safetensors")
    assert told.enlarged == [] and all(".scales." in name for name in told.new)
    batch = make_batch(INFO)
    expected = Forecaster.load(tmp_path / "f.safetensors").forecast(batch).tensor
    torch.testing.assert_close(steered.forecast(batch, num_members=2).tensor[:, 1], expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"model": "cnn"}, "its model is cnn, that of the training halfunet"),
        ({"num_filters": 8}, "nothing of it fits this network: other settings of the model"),
    ],
    ids=["model", "filters"],
)
def test_what_does_not_fit_is_refused_by_name(source: dict, message: str, tmp_path: Path) -> None:
    made(**source).save(tmp_path / "f.safetensors")
    fresh = made("ensemble", seed=1)
    before = {name: weight.clone() for name, weight in fresh.network.state_dict().items()}
    with pytest.raises(DataError, match=message):
        transfer(fresh, tmp_path / "f.safetensors")
    assert all(torch.equal(weight, before[name]) for name, weight in fresh.network.state_dict().items())


def test_of_a_strategy_that_reads_outputs_in_another_way_the_last_layer_is_new(tmp_path: Path) -> None:
    source = made("diff_ar")
    source.save(tmp_path / "f.safetensors")
    fresh = made("ensemble", seed=1)
    before = {name: weight.clone() for name, weight in fresh.network.state_dict().items()}
    told = transfer(fresh, tmp_path / "f.safetensors")
    ends = ends_of(fresh)
    assert told.new == [name for name in before if ends[name].outputs is not None] != []
    after = fresh.network.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in told.new)
    assert all(torch.equal(after[name], source.network.state_dict()[name]) for name in told.kept)


@pytest.mark.parametrize("model", ["halfunet", "cnn", "unet", "graphlam", "graphtransformer", "segformer"])
def test_another_grid_takes_all_weights_that_do_not_depend_on_it(model: str, tmp_path: Path) -> None:
    source = Forecaster.build(make_info((32, 32)), model, "scaled_ar", 2)
    source.save(tmp_path / "f.safetensors")
    fresh = Forecaster.build(make_info((64, 32)), model, "scaled_ar", 2)
    told = transfer(fresh, tmp_path / "f.safetensors")
    weights = source.network.state_dict()
    assert told.new == [] and told.enlarged == []
    assert told.kept and all(torch.equal(fresh.network.state_dict()[name], weights[name]) for name in told.kept)
    parameters = {name for name, _ in fresh.network.named_parameters()}
    assert parameters <= set(told.kept)
    assert torch.isfinite(fresh.eval().forecast(make_batch(make_info((64, 32)))).tensor).all()


@pytest.mark.parametrize("model", ["halfunet", "cnn", "graphlam"])
def test_more_input_steps_change_nothing_at_the_start(model: str, tmp_path: Path) -> None:
    source = Forecaster.build(INFO, model, "scaled_ar", 2).eval()
    source.save(tmp_path / "f.safetensors")
    fresh = Forecaster.build(INFO, model, "scaled_ar", 3).eval()
    told = transfer(fresh, tmp_path / "f.safetensors")
    assert len(told.enlarged) == 1 and told.new == []
    batch = make_batch(INFO, num_input_steps=3)
    fields = {**batch.fields, "inputs": batch.inputs.isel(timestep=slice(1, 3))}
    expected = source.forecast(ItemBatch(fields, init_time=batch.init_time)).tensor
    std = INFO.stats.to_list("std", INFO.predicted)
    torch.testing.assert_close(fresh.forecast(batch).tensor / std, expected / std, rtol=1e-4, atol=1e-4)


def test_variables_are_found_again_by_name(tmp_path: Path) -> None:
    """Variables in another order, one more of them, one fewer: the forecast of those that stay begins as it was."""
    source = made()
    source.save(tmp_path / "f.safetensors")
    turned = replace(INFO, variables=list(reversed(INFO.variables)))
    fresh = Forecaster.build(turned, "halfunet", "scaled_ar", 2, SMALL).eval()
    told = transfer(fresh, tmp_path / "f.safetensors")
    assert told.new == []
    batch = make_batch(INFO)
    ours, theirs = fresh.forecast(batch), source.forecast(batch)
    for name in INFO.predicted:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-3, atol=1e-3)
    dropped = INFO.prognostic[0]
    fewer = replace(INFO, variables=[v for v in INFO.variables if v.name != dropped])
    Forecaster.build(fewer, "halfunet", "scaled_ar", 2, SMALL).save(tmp_path / "fewer.safetensors")
    weights = Forecaster.load(tmp_path / "fewer.safetensors").network.state_dict()
    more = made(seed=2)
    before = {name: value.clone() for name, value in more.network.state_dict().items()}
    told = transfer(more, tmp_path / "fewer.safetensors")
    assert told.ends == [
        f"new inputs, which begin with zero: {dropped}@-1, {dropped}@0",
        f"new outputs, drawn afresh: {dropped}",
    ]
    ends, channels, given = (
        ends_of(more),
        channels_of(more),
        channels_of(Forecaster.load(tmp_path / "fewer.safetensors")),
    )
    (first,) = (name for name in before if ends[name].inputs is not None)
    for place, name in enumerate(channels.inputs):
        column = more.network.state_dict()[first].select(ends[first].inputs, place)
        expected = weights[first].select(ends[first].inputs, given.inputs.index(name)) if name in given.inputs else None
        assert torch.equal(column, torch.zeros_like(column) if expected is None else expected), name
    (last,) = (name for name in before if ends[name].outputs is not None and before[name].ndim > 1)
    place = channels.outputs.index(dropped)
    assert torch.equal(more.network.state_dict()[last].select(ends[last].outputs, place), before[last].select(ends[last].outputs, place))  # fmt: skip


def test_names_of_channels_are_those_of_the_strategy() -> None:
    channels = channels_of(made("ensemble"))
    assert (
        channels.inputs[0] == ("state", -1, INFO.prognostic[0]) and ("state", 0, INFO.prognostic[0]) in channels.inputs
    )
    assert [name for name in channels.inputs if name[0] == "noise"] and channels.inputs[-1][0] == "noise"
    assert list(channels.outputs) == INFO.predicted
    assert len(channels.inputs) == made("ensemble").strategy.num_input_features(INFO, 2)
    source = made()
    state = torch.random.get_rng_state()
    ends_of(source)
    assert torch.equal(state, torch.random.get_rng_state())


def test_frozen_weights_and_what_their_norms_counted_stay() -> None:
    from py4cast.workflows.train.run import train
    from tests.test_guards import tiny

    free = Forecaster.load(train(tiny(), run_name="free") / "forecaster.safetensors")
    names = [n for n, _ in free.network.named_parameters()]
    pattern = names[0].rsplit(".", 2)[0] + ".*"
    folder = train(tiny(freeze=[pattern]), run_name="frozen")
    torch.manual_seed(42)
    frozen = Forecaster.load(folder / "forecaster.safetensors")
    kept = [n for n in names if fnmatch.fnmatch(n, pattern)]
    assert kept and len(kept) < len(names)
    again = Forecaster.load(train(tiny(freeze=[pattern], epochs=2), run_name="longer") / "forecaster.safetensors")
    for name, value in frozen.network.state_dict().items():
        is_kept = fnmatch.fnmatch(name, pattern)
        if value.is_floating_point():
            assert torch.equal(value, again.network.state_dict()[name]) == is_kept, name
    assert any("running" in n and fnmatch.fnmatch(n, pattern) for n in frozen.network.state_dict())


def test_a_pattern_that_fits_nothing_or_everything_is_refused() -> None:
    network = made().network
    with pytest.raises(SettingsError, match=r"--freeze 'encodre\.\*': no weight has such a name"):
        freeze(network, ["encodre.*"])
    with pytest.raises(SettingsError, match="all weights, so that there is nothing to learn"):
        freeze(network, ["*"])


def test_a_run_that_is_done_goes_on_for_more_epochs() -> None:
    from py4cast.workflows.train.run import train
    from tests.test_guards import tiny

    folder = train(tiny(epochs=1), run_name="r")
    assert train(tiny(epochs=3), run_name="r", resume=True) == folder
    state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["py4cast"]["batches_done"] == 21 and state["epoch"] == 2
    assert json.loads((folder / "config.json").read_text())["train"]["epochs"] == 3
    with pytest.raises(SettingsError, match=r"these differ: train.epochs \(3, now 2\)"):
        train(tiny(epochs=2), run_name="r", resume=True)
    with pytest.raises(SettingsError, match=r"train.batch_size \(4, now 2\)"):
        train(tiny(epochs=5, batch_size=2), run_name="r", resume=True)


def test_by_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PY4CAST_ROOTDIR", str(tmp_path))
    words = [w for n in ("num_train=16", "num_valid=8", "num_test=8", "size=16") for w in ("--set", f"dataset.{n}")]
    words += [
        "--dataset",
        "stochastic",
        "--model",
        "cnn",
        "--set",
        "model.num_filters=4",
        "--epochs",
        "1",
        "--no_log",
        "--num_pred_steps_val_test",
        "2",
    ]
    run("train", "--strategy", "scaled_ar", "--run_name", "mean", *words)
    mean = next(tmp_path.rglob("forecaster.safetensors"))
    run("train", "--strategy", "ensemble", "--run_name", "members", "--init_from", str(mean), *words)
    assert len(list(tmp_path.rglob("forecaster.safetensors"))) == 2
    assert main(["train", "--init_from", "a", "--load_model_ckpt", "b"]) == 2
    assert "give one of them" in capsys.readouterr().err
    with pytest.raises((DataError, SettingsError)):
        run(
            "train",
            "--strategy",
            "ensemble",
            "--run_name",
            "none",
            "--init_from",
            str(tmp_path / "none.safetensors"),
            *words,
        )
