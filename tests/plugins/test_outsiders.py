"""Plugins as outsiders wrote them against the older interface, word for word, and as packages today; each trained by name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import py4cast
from tests.conftest import ROOT

IDENTITY = """
from dataclasses import dataclass

import torch
from dataclasses_json import dataclass_json
from torch import nn

from py4cast.datasets.base import ItemBatch, Statics
from py4cast.models.base import ModelABC


@dataclass_json
@dataclass(slots=True)
class NewModelSettings:
    layer_1_name: str = "layer_1"
    width: int = 8


class NewModel(ModelABC, nn.Module):
    settings_kls = NewModelSettings
    onnx_supported = True

    def __init__(self, num_input_features: int, num_output_features: int, settings: NewModelSettings, *args, **kwargs):
        super().__init__()
        self.layer_1 = nn.Linear(num_input_features, settings.width)
        self.layer_2 = nn.Linear(settings.width, num_output_features)

    def transform_statics(self, statics: Statics) -> Statics:
        return statics

    def transform_batch(self, batch: ItemBatch) -> ItemBatch:
        return batch

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.ndim == 4
        return self.layer_2(torch.relu(self.layer_1(x)))
"""

FLAT = IDENTITY.replace("NewModel", "FlatModel").replace("assert x.ndim == 4", "assert x.ndim == 3").replace(
    """    def transform_statics(self, statics: Statics) -> Statics:
        return statics
""",
    """    def transform_statics(self, statics: Statics) -> Statics:
        statics.grid_static_features.flatten_("ngrid", 0, 1)
        statics.border_mask = statics.border_mask.flatten(0, 1)
        statics.interior_mask = statics.interior_mask.flatten(0, 1)
        return statics
""",
).replace(
    """    def transform_batch(self, batch: ItemBatch) -> ItemBatch:
        return batch
""",
    """    def transform_batch(self, batch: ItemBatch) -> ItemBatch:
        batch.inputs.flatten_("ngrid", 2, 3)
        batch.outputs.flatten_("ngrid", 2, 3)
        batch.forcing.flatten_("ngrid", 2, 3)
        return batch
""",
)  # fmt: skip

OBSERVER = """
import os

import einops
from py4cast.observer import ErrorObserver


class LossWatcher(ErrorObserver):
    def __init__(self):
        self.maps = []

    def update(self, obj, prediction, target):
        spatial_loss = obj.loss(prediction, target, reduce_spatial_dim=False)
        if obj.model.info.output_dim == 1:
            spatial_loss = einops.rearrange(
                spatial_loss, "b t (x y) -> b t x y", x=obj.grid_shape[0], y=obj.grid_shape[1]
            )
        self.maps.append(spatial_loss)

    def on_step_end(self, obj):
        shapes = {tuple(m.shape[2:]) for m in self.maps}
        with open(os.environ["WATCHED"], "a") as f:
            f.write(f"{sorted(shapes)} {obj.grid_shape} {len(self.maps)}\\n")
        self.maps = []
"""

SMALL = ["--dev_mode", "--set", "dataset.size=16", "--set", "dataset.num_train=16", "--set", "dataset.num_valid=10", "--set",
         "dataset.num_test=10", "--set", "dataset.border_size=2", "--num_pred_steps_val_test", "2"]  # fmt: skip


def run(tmp_path: Path, path: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    # bin/train.py finds what lies beside the package, too
    environment = {
        "PYTHONPATH": os.pathsep.join([str(path), str(ROOT)]), "PY4CAST_ROOTDIR": str(tmp_path / "root"),
        "WATCHED": str(tmp_path / "watched"),
    }  # fmt: skip
    return py4cast("train", *SMALL, *words, cwd=tmp_path, **environment)


@pytest.mark.parametrize(("text", "name"), [(IDENTITY, "newmodel"), (FLAT, "flatmodel")])
@pytest.mark.parametrize("strategy", ["diff_ar", "scaled_ar"])
def test_a_model_of_the_older_interface_trains_by_name(tmp_path: Path, text: str, name: str, strategy: str) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "py4cast_plugin_outsider.py").write_text(text)
    done = run(
        tmp_path, tmp_path / "plugins", "--model", name, "--strategy", strategy, "--no_log", "--set", "model.width=6"
    )
    assert done.returncode == 0, done.stderr[-2000:]
    folder = Path(done.stdout.splitlines()[-1])
    assert folder.parent.name == name and (folder / "forecaster.safetensors").is_file()
    wrong = run(tmp_path, tmp_path / "plugins", "--model", name, "--set", "model.widht=6")
    assert wrong.returncode == 2 and "model.widht: unknown setting; did you mean 'width'" in wrong.stderr


def test_an_observer_of_the_older_interface_sees_the_grid(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "py4cast_plugin_watcher.py").write_text(OBSERVER)
    done = run(tmp_path, tmp_path / "plugins", "--plots", "losswatcher,state_error", "--set", "model.num_filters=4")
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "watched").read_text() == "[(16, 16)] (16, 16) 2\n"
    assert (Path(done.stdout.splitlines()[-1]) / "plots" / "test_state_error_rmse.png").is_file()


def test_an_installed_package_is_found_by_its_entry_point(tmp_path: Path) -> None:
    site = tmp_path / "site"
    info = site / "windy-2.0.dist-info"
    info.mkdir(parents=True)
    (site / "windy.py").write_text(IDENTITY)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: windy\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text("[py4cast.models]\nwindy = windy:NewModel\n")
    done = run(tmp_path, site, "--model", "windy", "--no_log")
    assert done.returncode == 0, done.stderr[-2000:]
    listing = subprocess.run(
        [sys.executable, str(ROOT / "bin" / "plugins.py")],
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    (row,) = [line for line in listing.stdout.splitlines() if " windy " in line]
    assert [cell.strip() for cell in row.strip("│").split("│")] == ["model", "windy", "windy", "2.0", "ready"]


def test_the_example_at_the_root_is_found_and_keeps_the_contract(tmp_path: Path) -> None:
    from py4cast.models import registry
    from py4cast.testing import check_model

    assert registry.get("convnext").__module__ == "py4cast_plugin_example"
    check_model("convnext", {"width": 8, "num_blocks": 1, "kernel": 3})
    done = run(tmp_path, tmp_path, "--model", "convnext", "--no_log", "--set", "model.width=4")
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_broken_plugin_breaks_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "py4cast_plugin_sick.py").write_text("import no_such_thing")
    done = run(tmp_path, tmp_path / "plugins", "--no_log", "--set", "model.num_filters=4")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "py4cast_plugin_sick does not import and is left out: ModuleNotFoundError" in done.stderr
    asked = run(tmp_path, tmp_path / "plugins", "--model", "sickmodel")
    assert (
        asked.returncode == 2 and "unknown model 'sickmodel'" in asked.stderr and "py4cast_plugin_sick" in asked.stderr
    )
