"""Every file of config/ is read by the code that it is for."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from py4cast.datasets import registry as datasets
from py4cast.errors import SettingsError
from py4cast.models import build_network
from py4cast.models import registry as models
from py4cast.settings import read_json
from py4cast.strategies import registry as strategies
from py4cast.testing import make_info
from py4cast.workflows.config import Named, build_config
from py4cast.workflows.sweep.settings import SweepSettings
from tests.conftest import ROOT

FILES = sorted((ROOT / "config").rglob("*.json"))


def test_nothing_is_left_out() -> None:
    assert {p.parent.name for p in FILES} == {"datasets", "experiments", "models", "strategies"}
    names = {p.stem for p in FILES if p.parent.name == "datasets"}
    assert {"dummy", "gridded_template", "era5_uk", "era5_global", "ncep", "globcurrent", "arome_arctic"} <= names
    assert {"titan", "titan_full", "smeagol", "smeagoldev", "poesy", "rainfall", "virtual_template"} <= names
    stems = {p.stem for p in FILES if p.parent.name == "models"}
    assert {"halfunet32", "halfunet64", "halfunet128_ghost"} | set(models.builtin_names) <= stems | {"halfunet", "zero"}


SERVICES = {"titan": "TITAN", "smeagol": "SMEAGOL", "poesy": "POESY", "rainfall": "RAINFALL"}


@pytest.mark.parametrize("path", [p for p in FILES if p.parent.name == "datasets"], ids=lambda p: p.stem)
def test_datasets(path: Path) -> None:
    name = next((n for n in ("dummy", "virtual", "qg", *SERVICES) if path.stem.startswith(n)), "gridded")
    kind = datasets.get(name)
    settings = kind.read_settings(path)
    if name in SERVICES:
        own = kind.gridded(settings)
        assert own.root_env == f"PY4CAST_{SERVICES[name]}_PATH" and own.root is None
        assert own.plans(), "every variable is described"
    elif path.stem not in ("dummy", "qg", "gridded_template", "virtual_template"):
        assert settings.name == path.stem and settings.root is None and settings.root_env == "PY4CAST_TEST_DATA"


@pytest.mark.parametrize("path", [p for p in FILES if p.parent.name == "models"], ids=lambda p: p.stem)
def test_models(path: Path) -> None:
    info = make_info()
    name = max((n for n in models.builtin_names if path.stem.startswith(n)), key=len)
    network, settings = build_network(name, 7, 3, read_json(path), info.grid, info.statics)
    for key, value in json.loads(path.read_text()).items():
        found = getattr(settings, key)
        assert (list(found) if isinstance(found, tuple) else found) == value
    assert sum(p.numel() for p in network.parameters()) > 0


@pytest.mark.parametrize("path", [p for p in FILES if p.parent.name == "strategies"], ids=lambda p: p.stem)
def test_strategies(path: Path) -> None:
    strategies.get(path.stem).settings_kls.from_json(path)


def test_the_sweep_of_the_defaults(tmp_path: Path) -> None:
    document: dict[str, Any] = read_json(ROOT / "config" / "experiments" / "defaults.json")
    for data in document["sets"]:
        base = {"dataset": {"name": "gridded", "settings": read_json(ROOT / "config" / "datasets" / f"{data}.json")}}
        for network, settings in document["networks"].items():
            base |= {"model": {"name": network, "settings": settings}, "train": {**document["train"], **document["sets"][data]}}  # fmt: skip
            path = tmp_path / "sweep.json"
            path.write_text(json.dumps({"base": base, "space": document["space"], "search": "each", "objective": document["objectives"][data]}))  # fmt: skip
            config = build_config(SweepSettings.from_json(path).document(), ())
            config.check()
            # the first values are the defaults
            first = [f"{place}={json.dumps(values[0])}" for place, values in document["space"].items()]
            assert build_config(base, first) == config


def test_a_ring_without_truth_is_learned_like_the_rest(tmp_path: Path) -> None:
    from py4cast.workflows.train.run import _make

    tiny = [
        "dataset.size=16",
        "dataset.num_train=20",
        "dataset.num_valid=10",
        "dataset.num_test=10",
        "model.num_filters=4",
    ]
    for strategy, cells in (("diff_ar", 16 * 16), ("scaled_ar", 8 * 8)):
        config = build_config({"strategy": {"name": strategy}}, tiny)
        module, _ = _make(config, tmp_path, None)
        assert int((module.training_objective.cell_weights > 0).sum()) == cells
        assert int(module.info.statics.interior_mask.sum()) == 8 * 8, "scores are of the same cells"


def test_settings_of_a_run_are_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from collections import Counter

    from py4cast import settings
    from py4cast.forecaster import Forecaster
    from py4cast.testing import make_info
    from py4cast.workflows.config import RunConfig

    decoded, real = Counter[str](), settings.decode

    def counting(kind, *words, **named):
        decoded[kind.__name__] += 1
        return real(kind, *words, **named)

    monkeypatch.setattr(settings, "decode", counting)
    of_run = RunConfig().check()
    info = make_info((8, 9))
    forecaster = Forecaster.build(info, "halfunet", "diff_ar", 1, of_run.model, of_run.strategy)
    assert forecaster.model_settings is of_run.model
    assert decoded == {"HalfUNetSettings": 1, "DiffARSettings": 1, "DummySettings": 1}


def test_a_wrong_setting_of_the_data_is_told_before_any_work() -> None:
    from py4cast.workflows.config import RunConfig

    with pytest.raises(SettingsError, match=r"dataset\.siz: unknown setting; did you mean 'size'"):
        RunConfig(dataset=Named(name="dummy", settings={"siz": 3})).check()


def test_another_implementation_is_put_in_place_by_name() -> None:
    config = build_config({"model": {"name": "unet", "settings": {"init_features": 8}}}, ["model.num_layers=3", "strategy=scaled_ar", 'model="cnn"'])  # fmt: skip
    assert config.strategy == Named(name="scaled_ar") and config.model == Named(name="cnn", settings={"num_layers": 3})
    config = build_config({}, ["strategy=graph_efm", 'model={"name": "hilam", "settings": {"num_layers": 2}}'])
    assert config.model == Named(name="hilam", settings={"num_layers": 2})
    assert build_config({}, ["strategy=graph_efm"]).model.name == "hilam", "the strategy's own network"


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("strategy=scaled_arr", "unknown strategy 'scaled_arr'; did you mean 'scaled_ar'"),
        ("model=", 'expected a name, or {"name"'),
        ('model={"nam": "cnn"}', "did you mean 'name'"),
        ("train=3", "expected one of dataset, model"),
    ],
)
def test_an_implementation_that_is_none_is_named(override: str, told: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(told)):
        build_config({}, [override]).check()
