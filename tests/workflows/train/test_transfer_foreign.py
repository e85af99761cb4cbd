"""Weights that other packages wrote are a beginning: by the names of their networks, and of what stands at their ends."""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from py4cast.errors import DataError
from py4cast.forecaster import Forecaster
from py4cast.models.other_names import from_mfai, renamed
from py4cast.testing import make_info
from py4cast.workflows.train.channels import channels_of
from py4cast.workflows.train.transfer import transfer

ROOT = Path(__file__).resolve().parents[3]
PEER = Path(os.environ.get("PY4CAST_PEERS", ROOT / ".peers")) / "mfai"
GOLDEN = ROOT / "tests" / "models" / "golden" / "neural_lam_graphlam.npz"
INFO = make_info((32, 32))

_EXPORT = """
import sys
sys.path.insert(0, sys.argv[3])
import mfai_peer, importlib, torch
place, name = mfai_peer.MODELS[sys.argv[1]]
kind = getattr(importlib.import_module(f"mfai.pytorch.models.{place}"), name)
torch.manual_seed(0)
width = {"num_filters": 8} if sys.argv[1] == "halfunet" else {"init_features": 8}
network = kind(6, 4, input_shape=(32, 32), settings=kind.settings_kls(**width))
x = torch.randn(2, 6, 32, 32)
network(x), network(3 * x)
network.eval()
with torch.no_grad():
    y = network(x)
torch.save({"state_dict": {f"model.{k}": v for k, v in network.state_dict().items()}, "x": x, "y": y}, sys.argv[2])
"""


def made(model: str = "halfunet", strategy: str = "scaled_ar", seed: int = 0, **settings: Any) -> Forecaster:
    torch.manual_seed(seed)
    small = {"halfunet": {"num_filters": 4}, "unet": {"init_features": 4}}.get(model, {})
    return Forecaster.build(INFO, model, strategy, 2, {**small, **settings}).eval()


def theirs(forecaster: Forecaster) -> dict[str, Tensor]:
    """The weights of a halfunet here under the names that mfai has for them."""
    block = {"0": "conv", "1": "norm"}
    names = {}
    for name, value in forecaster.network.state_dict().items():
        bare = name.removeprefix("model.")
        if match := re.match(r"encoders\.(\d)\.(\d)\.(\d)\.(.+)", bare):
            level, turn = int(match[1]) + 1, int(match[2]) + 1
            bare = f"encoder{level}.enc{level}{block[match[3]]}{turn}.{match[4]}"
        elif match := re.match(r"decoder\.(\d)\.(\d)\.(.+)", bare):
            bare = f"decoder.decoder{block[match[2]]}{int(match[1]) + 1}.{match[3]}"
        names[f"model.{bare.replace('output.', 'outconv.')}"] = value
    return names


def described(forecaster: Forecaster) -> dict[str, Any]:
    channels = channels_of(forecaster)
    inputs = [f"{name[2]}@{name[1]}" if name[0] == "state" else name[-1] for name in channels.inputs]
    return {"inputs": inputs, "outputs": list(channels.outputs)}


def same(forecaster: Forecaster, other: Forecaster, besides: tuple[str, ...] = ()) -> bool:
    mine = forecaster.network.state_dict()
    return all(torch.equal(v, mine[k]) for k, v in other.network.state_dict().items() if k not in besides)


@pytest.mark.parametrize("suffix", ["pt", "ckpt", "safetensors"])
def test_a_state_of_mfai_is_taken_over_by_the_names_of_its_ends(suffix: str, tmp_path: Path) -> None:
    source, fresh, path = made(seed=1), made(seed=2), tmp_path / f"w.{suffix}"
    weights = theirs(source)
    if suffix == "safetensors":
        save_file({k: v.clone() for k, v in weights.items()}, path)
    else:
        torch.save({"state_dict": weights, "epoch": 3} if suffix == "ckpt" else weights, path)
    (tmp_path / "w.json").write_text(json.dumps(described(source)))
    told = transfer(fresh, path)
    assert not told.new and not told.enlarged and same(fresh, source)


def test_its_inputs_may_come_in_another_order(tmp_path: Path) -> None:
    source, fresh = made(seed=1), made(seed=2)
    weights, document = theirs(source), described(source)
    turned = list(reversed(range(len(document["inputs"]))))
    first = "model.encoder1.enc1conv1.weight"
    weights[first] = weights[first][:, turned]
    document["inputs"] = [document["inputs"][i] for i in turned]
    torch.save(weights, tmp_path / "w.pt")
    (tmp_path / "w.json").write_text(json.dumps(document))
    transfer(fresh, tmp_path / "w.pt")
    assert same(fresh, source)


def test_without_names_both_ends_are_new(tmp_path: Path) -> None:
    source, fresh = made(seed=1), made(seed=2)
    torch.save(theirs(source), tmp_path / "w.pt")
    told = transfer(fresh, tmp_path / "w.pt")
    ends = ("model.encoders.0.0.0.weight", "model.output.weight")
    assert set(told.new) == set(ends) and same(fresh, source, ends)
    assert same(fresh, made(seed=2), tuple(set(source.network.state_dict()) - set(ends))), "as they were drawn"


def test_a_strategy_that_reads_outputs_in_another_way_has_a_new_last_layer(tmp_path: Path) -> None:
    source, fresh = made(seed=1), made(strategy="diff_ar", seed=2)
    torch.save(theirs(source), tmp_path / "w.pt")
    (tmp_path / "w.json").write_text(json.dumps(described(source)))
    assert transfer(fresh, tmp_path / "w.pt").new == ["model.output.weight"]
    (tmp_path / "w.json").write_text(json.dumps({**described(source), "strategy": "diff_ar"}))
    assert not transfer(made(strategy="diff_ar", seed=2), tmp_path / "w.pt").new


def test_a_graph_network_of_neural_lam(tmp_path: Path) -> None:
    arrays = dict(np.load(GOLDEN))
    weights = {
        f"forecaster.predictor.{k.removeprefix('weights/')}": torch.from_numpy(v)
        for k, v in arrays.items()
        if k.startswith("weights/")
    }
    torch.save({"state_dict": weights}, tmp_path / "w.ckpt")
    torch.manual_seed(0)
    fresh = Forecaster.build(INFO, "graphlam", "scaled_ar", 2, {"hidden_dims": 4, "processor_layers": 2})
    told = transfer(fresh, tmp_path / "w.ckpt")
    assert len(told.kept) > 20 and not told.enlarged
    assert all(name.startswith(("model.grid_embedder.", "model.output_map.")) for name in told.new), told.new
    state = fresh.network.state_dict()
    taken = state["model.encoding_grid_mlp.0.weight"]
    assert torch.equal(taken, torch.from_numpy(arrays["weights/encoding_grid_mlp.0.weight"]))


def test_what_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    source, path = made(seed=1), tmp_path / "w.pt"
    torch.save({"conv.weight": torch.zeros(3, 3), "body.7.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(DataError, match=r"weights of another network \('body.7.weight' has no place in this one\)"):
        transfer(made(), path)
    torch.save(theirs(source), path)
    with pytest.raises(DataError, match=r"weights of another network \('encoders.4.0.0.weight' has no place"):
        transfer(made("unet"), path)
    with pytest.raises(DataError, match="nothing of it fits this network: other settings of the model"):
        transfer(made(num_filters=8), path)


def test_two_networks_in_one_file_are_refused(tmp_path: Path) -> None:
    one, other = theirs(made(seed=1)), theirs(made(seed=2))
    torch.save({**one, **{f"module.{k}": v for k, v in other.items()}}, tmp_path / "w.pt")
    with pytest.raises(
        DataError, match=r"several networks in one file \('module.model.encoder1.enc1conv1.weight' stands"
    ):
        transfer(made(), tmp_path / "w.pt")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ({"inputs": ["a@0"]}, "w.json: 1 inputs; expected 8, as model.encoders.0.0.0.weight has"),
        ({"outputs": "t"}, "w.json: expected .*names in the order of the weights"),
        ({"inputs": ["a@0", "a@0"]}, "w.json: 'a@0' stands 2 times; expected each once"),
        ({"inputs": ["a@last"]}, "w.json: 'a@last': expected NAME@0, NAME@-1"),
    ],
    ids=["count", "kind", "twice", "step"],
)
def test_names_that_cannot_be_meant_are_refused(spoil: dict[str, Any], message: str, tmp_path: Path) -> None:
    source = made(seed=1)
    torch.save(theirs(source), tmp_path / "w.pt")
    (tmp_path / "w.json").write_text(json.dumps({**described(source), **spoil}))
    with pytest.raises(DataError, match=message):
        transfer(made(), tmp_path / "w.pt")


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.ckpt"
    with pytest.raises(DataError, match="no such file"):
        transfer(made(), path)
    path.write_bytes(b"what")
    with pytest.raises(DataError, match="damaged, or more than tensors"):
        transfer(made(), path)
    torch.save({"py4cast": {}, "state_dict": {}}, path)
    with pytest.raises(DataError, match="a checkpoint of py4cast; expected the forecaster.safetensors of its run"):
        transfer(made(), path)
    torch.save([1, 2], path)
    with pytest.raises(DataError, match="no weights by name"):
        transfer(made(), path)


def test_objects_of_other_programs_are_never_made(tmp_path: Path) -> None:
    torch.save({"state_dict": theirs(made()), "hyper_parameters": argparse.Namespace(a=1)}, tmp_path / "w.ckpt")
    with pytest.raises(DataError, match=r"more than tensors: .*argparse.Namespace.*save its weights alone in Python"):
        transfer(made(), tmp_path / "w.ckpt")


def test_names_of_mfai() -> None:
    names = {
        "encoder2.enc2conv1.weight": "encoders.1.0.0.weight",
        "encoder5.enc5norm2.running_var": "encoders.4.1.1.running_var",
        "decoder.decodernorm1.bias": "decoder.0.1.bias",
        "decoder4.dec4conv2.weight": "decoders.0.1.0.weight",
        "upconv1.bias": "ups.3.bias",
        "bottleneck.bottleneckconv2.weight": "bottleneck.1.0.weight",
        "conv.weight": "output.weight",
        "outconv.weight": "output.weight",
        "something.else": "something.else",
    }
    for name, expected in names.items():
        assert list(from_mfai({name: torch.zeros(1)})) == [expected]


@pytest.mark.parametrize("model", ["halfunet", "unet"])
def test_the_networks_of_the_package_compute_the_same(model: str, tmp_path: Path, monkeypatch: Any) -> None:
    if not PEER.exists():
        pytest.skip(f"{PEER} is absent: `make peers` installs mfai in a folder of its own")
    words = [sys.executable, "-c", _EXPORT, model, str(tmp_path / "m.pt"), str(ROOT / "benchmarks" / "peers")]
    subprocess.run(words, check=True, capture_output=True, timeout=300, env={**os.environ, "PYTHONPATH": str(PEER)})
    file = torch.load(tmp_path / "m.pt", weights_only=True)
    from py4cast.models import build_network

    width = {"num_filters": 8} if model == "halfunet" else {"init_features": 8}
    network, _ = build_network(model, 6, 4, width, INFO.grid, INFO.statics)
    weights = renamed(file["state_dict"], network.state_dict().keys(), "m")
    assert weights.package == "mfai" and len(weights.weights) == len(network.state_dict())
    network.load_state_dict(weights.weights)
    # theirs interpolates between the corners of images, ours between those of cells
    real = nn.functional.interpolate
    monkeypatch.setattr(nn.functional, "interpolate", lambda *a, **k: real(*a, **{**k, "align_corners": True}))
    with torch.no_grad():
        y = network.eval()(file["x"].permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(y, file["y"], rtol=1e-4, atol=1e-5)
