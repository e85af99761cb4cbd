import signal
import sys
import textwrap
from pathlib import Path

import pytest

from py4cast.errors import SettingsError
from py4cast.models import registry as models
from py4cast.models.base import ModelABC
from py4cast.registry import Registry

GOOD = """
from torch import nn
from py4cast.models import GridModel

class {name}(GridModel):
    settings_kls = object
    def __init__(self, num_input_features, num_output_features, settings):
        super().__init__()
        self.layer = nn.Linear(num_input_features, num_output_features)
    def forward(self, x):
        return self.layer(x)
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the import path, where tests install plugins."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in [m for m in sys.modules if m.startswith(("py4cast_plugin_t_", "t_package"))]:
        del sys.modules[name]
    models.rediscover()


def fresh() -> Registry[ModelABC]:
    return Registry("model", "py4cast.models.base:ModelABC", {"halfunet": "py4cast.models.halfunet:HalfUNet"})


def install(site: Path, dist: str, module: str, text: str, points: str) -> None:
    (site / f"{module}.py").write_text(text)
    info = site / f"{dist}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[py4cast.models]\n{points}\n")


def test_own_names_and_the_nearest() -> None:
    registry = fresh()
    assert registry.get("HalfUNet").__name__ == "HalfUNet"
    assert "halfunet" in registry and "halfunet" in list(registry) and len(registry) == len(registry.keys())
    assert dict(registry.items())["halfunet"] is registry["halfunet"]
    with pytest.raises(SettingsError, match=r"unknown model 'halfunt'; did you mean 'halfunet'\?"):
        registry.get("halfunt")


def test_the_extra_of_a_name_is_told() -> None:
    registry: Registry[ModelABC] = Registry("model", "py4cast.models.base:ModelABC", {}, extras={"absent_": "absent"})
    with pytest.raises(
        SettingsError, match=r"unknown model 'absent_unet'; it comes with pip install 'py4cast\[absent\]'"
    ):
        registry.get("absent_unet")


def test_modules_with_the_prefix_are_found(site: Path) -> None:
    (site / "py4cast_plugin_t_one.py").write_text(GOOD.format(name="WonderNet"))
    registry = fresh()
    assert registry.get("wondernet").__name__ == "WonderNet"
    assert "wondernet" in registry.names() and "gridmodel" not in registry.names()


def test_entry_points_of_installed_packages_are_found(site: Path) -> None:
    install(site, "t-package", "t_package_one", GOOD.format(name="Net"), "tnet = t_package_one:Net")
    registry = fresh()
    (entry,) = [e for e in registry.entries() if e.name == "tnet"]
    assert (entry.origin, entry.version, entry.value) == ("t-package", "1.2", None), (
        "not imported before it is asked for"
    )
    assert registry.get("tnet").__name__ == "Net"


def test_a_taken_name_is_an_error_that_says_by_whom(site: Path) -> None:
    install(site, "t-rival", "t_package_two", GOOD.format(name="Net"), "halfunet = t_package_two:Net")
    registry = fresh()
    with pytest.raises(SettingsError, match=r"'halfunet' is taken by py4cast and wanted by t-rival"):
        registry.get("halfunet")
    with pytest.raises(SettingsError, match="already taken by py4cast"):
        registry.register("halfunet", registry.get("tnet") if "tnet" in registry else _Net)


class _Net(ModelABC):
    def transform_statics(self, statics):
        return statics

    def transform_batch(self, batch):
        return batch


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("import no_such_module_anywhere", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("1/0", "ZeroDivisionError"),
        ("def f(:", "SyntaxError"),
        ("class Odd(BaseException): pass\nraise Odd('x')", "Odd"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        (
            "class M(type):\n  def __subclasscheck__(s, o): raise MemoryError\nclass C(metaclass=M): pass\n1/0",
            "ZeroDivisionError",
        ),
    ],
)
def test_a_broken_module_warns_and_breaks_nothing_else(site: Path, text: str, cause: str) -> None:
    (site / "py4cast_plugin_t_broken.py").write_text(text)
    (site / "py4cast_plugin_t_fine.py").write_text(GOOD.format(name="FineNet"))
    registry = fresh()
    with pytest.warns(UserWarning, match=f"py4cast_plugin_t_broken does not import and is left out: {cause}"):
        assert "finenet" in registry.names()
    assert registry.get("halfunet") and registry.get("finenet")


def test_ctrl_c_while_a_plugin_loads_stops_the_program(site: Path) -> None:
    text = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(5)"
    (site / "py4cast_plugin_t_slow.py").write_text(text)
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            fresh().names()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, former)


def test_a_broken_entry_point_is_named_when_it_is_used(site: Path) -> None:
    install(site, "t-bad", "t_package_bad", "raise ValueError('no licence')", "badnet = t_package_bad:Net")
    registry = fresh()
    assert registry.get("halfunet")
    with pytest.raises(SettingsError, match="'badnet' of t-bad cannot be loaded: ValueError: no licence"):
        registry.get("badnet")


def test_a_class_that_lacks_methods_is_refused(site: Path) -> None:
    text = textwrap.dedent("""
        from py4cast.models.base import ModelABC
        class HalfDone(ModelABC):
            def transform_statics(self, statics): return statics
        """)
    (site / "py4cast_plugin_t_half.py").write_text(text)
    registry = fresh()
    with pytest.warns(UserWarning, match="HalfDone .* lacks transform_batch of ModelABC"):
        registry.names()
    with pytest.raises(SettingsError, match="lacks transform_batch"):
        registry.get("halfdone")


def test_register_by_hand() -> None:
    registry = fresh()
    registry.register("mine", _Net)
    assert registry.get("mine") is _Net
    with pytest.raises(TypeError, match="does not subclass ModelABC"):
        registry.register("wrong", dict)
    registry.unregister("mine")
    assert "mine" not in registry
