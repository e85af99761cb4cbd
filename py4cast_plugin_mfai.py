"""The networks of the package `mfai` as models of py4cast: mfai_halfunet, mfai_unet, mfai_segformer, mfai_unetrpp, ...

    pip install py4cast[mfai]
    py4cast train --model mfai_unetrpp --set model.hidden_size=128

They take images `(batch, features, lat, lon)` of fixed sizes; here they meet the grid through padding and two
permutations. Nothing of mfai is imported before one of them is asked for, and without mfai none of these names
exists. A network of mfai that needs torchvision (unet, customunet, deeplabv3) says so where it is missing.
"""

import dataclasses
import importlib
import importlib.util
import typing
from typing import Any

from py4cast.errors import SettingsError
from py4cast.settings import Settings, setting

# class → module of mfai.pytorch.models, what sizes must be a multiple of, whether its ONNX export is known to work
NETWORKS = {
    "HalfUNet": ("half_unet", 16, True),
    "UNet": ("unet", 16, True),
    "CustomUNet": ("unet", 32, True),
    "DeepLabV3": ("deeplabv3", 8, False),
    "DeepLabV3Plus": ("deeplabv3", 16, False),
    "Segformer": ("segformer", 64, True),
    "UNetRPP": ("unetrpp", 32, False),
    "SwinUNetR": ("swinunetr", 32, False),
}
# padding is done here, and pretrained weights would be fetched from the network
LEFT_OUT = ("autopad_enabled", "encoder_weights")


def network_class(name: str) -> Any:
    """The class `name` of mfai.

    Raises:
        SettingsError: what it needs is not installed.
    """
    module = f"mfai.pytorch.models.{NETWORKS[name][0]}"
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as error:
        missing = getattr(error, "name", None) or error
        raise SettingsError(f"model mfai_{name.lower()} needs {missing}, which is not installed") from error


def _is_plain(hint: Any) -> bool:
    parts = typing.get_args(hint)
    return hint in (int, float, bool, str) or (typing.get_origin(hint) in (tuple, typing.Literal) and parts != ())


def settings_class(name: str) -> type:
    """Settings of the same names, types and defaults, read as strictly as all others."""
    theirs = network_class(name).settings_kls
    hints = typing.get_type_hints(theirs)
    fields: list[tuple[str, Any, Any]] = []
    for field in dataclasses.fields(theirs):
        default = field.default_factory() if callable(field.default_factory) else field.default
        hint = hints[field.name] if _is_plain(hints[field.name]) else type(default)
        if field.name not in LEFT_OUT and _is_plain(hint):
            fields.append((field.name, hint, setting(default, f"as mfai's {name} has it")))
    return dataclasses.make_dataclass(f"{name}Settings", fields, bases=(Settings,), frozen=True, kw_only=True)


class _Lazy:
    """Settings of a network, made when they are first read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.found: type | None = None

    def __get__(self, _: Any, owner: type) -> type:
        if self.found is None:
            self.found = settings_class(self.name)
        return self.found


def adapted(name: str) -> type:
    """A model of py4cast around mfai's network `name`."""
    from py4cast.models import ImageModel  # torch, which an environment that only operates may lack

    _, multiple, exports = NETWORKS[name]

    def make(_: type, num_inputs: int, num_outputs: int, settings: Any, shape: tuple[int, int]) -> Any:
        theirs = network_class(name)
        given = {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings)}
        own = {"encoder_weights": False} if "encoder_weights" in theirs.settings_kls.__dataclass_fields__ else {}
        return theirs(num_inputs, num_outputs, input_shape=shape, settings=theirs.settings_kls(**given, **own))

    body = {"make": classmethod(make), "multiple": multiple, "settings_kls": _Lazy(name), "onnx_supported": exports,
            "__module__": __name__, "__doc__": f"mfai's {name} on any grid.", "reference": "github.com/meteofrance/mfai"}  # fmt: skip
    return type(f"mfai_{name.lower()}", (ImageModel,), body)


MODELS: dict[str, type] = {}
if importlib.util.find_spec("mfai") is not None:
    MODELS = {f"mfai_{name.lower()}": adapted(name) for name in NETWORKS}
    globals().update(MODELS)
