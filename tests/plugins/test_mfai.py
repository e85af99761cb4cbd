"""Someone else's networks: those of mfai through the adapter, in an import path of their own; without mfai, nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import py4cast_plugin_mfai
from py4cast.models import registry
from tests.conftest import ROOT

PEERS = Path(os.environ.get("PY4CAST_PEERS", ROOT / ".peers")) / "mfai"
CODE = """
import sys, torch
from pathlib import Path
from py4cast.forecaster import Forecaster
from py4cast.losses import registry as losses
from py4cast.models import registry
from py4cast.testing import make_batch, make_info
SETTINGS = {"mfai_halfunet": {"num_filters": 8}, "mfai_segformer": {"dims": [8, 8, 16, 16], "heads": [1, 2, 4, 8]},
            "mfai_unetrpp": {"hidden_size": 64, "num_heads_encoder": 2, "num_heads_decoder": 2}}
folder, info = Path(sys.argv[1]), make_info((32, 32))


def check(name, settings):
    forecaster = Forecaster.build(info, name, "scaled_ar", 2, settings).train()
    batch = make_batch(info, num_pred_steps=2)
    optimizer, found = torch.optim.Adam(forecaster.parameters(), lr=2e-4), []
    for _ in range(4):
        optimizer.zero_grad()
        loss = forecaster.training_loss(batch, losses.get("mse")(info)).mean()
        loss.backward()
        optimizer.step()
        found.append(float(loss.detach()))
    assert found[-1] < found[0], found
    forecaster.eval().save(folder / "f.safetensors")
    again = Forecaster.load(folder / "f.safetensors")
    outputs = []
    for f in (forecaster, again):
        torch.manual_seed(0)  # mfai's unetrpp leaves features out when it forecasts, too
        outputs.append(f.forecast(batch).tensor)
    assert outputs[0].shape == (2, 2, 32, 32, 3) and torch.equal(*outputs)


for name in SETTINGS:
    check(name, SETTINGS[name])
print(sorted(n for n in registry.names() if n.startswith("mfai_")))
"""


@pytest.mark.slow
def test_networks_of_mfai(tmp_path: Path) -> None:
    if not PEERS.exists():
        pytest.skip(f"{PEERS} is absent: `make peers` installs mfai in a folder of its own")
    path = os.pathsep.join([str(PEERS), str(ROOT)])
    done = subprocess.run([sys.executable, "-c", CODE, str(tmp_path)], capture_output=True, text=True, timeout=300, check=False,
                          env={**os.environ, "PYTHONPATH": path})  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "'mfai_unetrpp'" in done.stdout and "'mfai_halfunet'" in done.stdout


def test_without_mfai_there_is_nothing() -> None:
    assert py4cast_plugin_mfai.MODELS == {} and not [n for n in registry.names() if n.startswith("mfai_")]
    with pytest.raises(Exception, match="model mfai_unetrpp needs mfai, which is not installed"):
        py4cast_plugin_mfai.network_class("UNetRPP")


def test_what_lacks_is_named() -> None:
    if not PEERS.exists():
        pytest.skip(f"{PEERS} is absent: `make peers` installs mfai in a folder of its own")
    done = subprocess.run(
        [sys.executable, "-m", "py4cast.cli", "train", "--model", "mfai_deeplabv3", "--dev_mode"], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(PEERS), str(ROOT)])}, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 2 and "needs torchvision, which is not installed" in done.stderr, done.stderr
