"""PLUG POINT: models. A new one is one file here and one line below, an entry point in `py4cast.models`, or a
class in a top-level module `py4cast_plugin_*`.
"""

import inspect
import warnings
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import nn

from py4cast.batch import Statics
from py4cast.dataset_info import InputInfo
from py4cast.errors import DataError, SettingsError, nearest
from py4cast.grid import Grid
from py4cast.models.base import GriddedNetwork, GridModel, ModelABC, NodeModel
from py4cast.models.image import ImageModel
from py4cast.registry import Registry
from py4cast.settings import Settings, decode

__all__ = [
    "GridModel",
    "GriddedNetwork",
    "ImageModel",
    "ModelABC",
    "NodeModel",
    "build_network",
    "read_settings",
    "registry",
]

registry: Registry[ModelABC] = Registry(
    "model",
    "py4cast.models.base:ModelABC",
    {
        "halfunet": "py4cast.models.halfunet:HalfUNet",
        "unet": "py4cast.models.unet:UNet",
        "segformer": "py4cast.models.segformer:SegFormer",
        "swinunetr": "py4cast.models.swinunetr:SwinUNetR",
        "unetrpp": "py4cast.models.unetrpp:UNetRPP",
        "graphlam": "py4cast.models.graph.graphlam:GraphLAM",
        "hilam": "py4cast.models.graph.hilam:HiLAM",
        "cnn": "py4cast.models.cnn:CNN",
        "zero": "py4cast.models.zero:Zero",
        "hilamparallel": "py4cast.models.graph.hilamparallel:HiLAMParallel",
    },
)


def read_settings(kind: Any, document: Mapping[str, Any], what: str, source: str = "") -> Any:
    """The settings object of an implementation; a plain dataclass of an older plugin is read strictly too.

    Raises:
        SettingsError: unknown or ill-typed settings, or a class without `settings_kls`.
    """
    settings_kls: Any = getattr(kind, "settings_kls", None)
    if not (isinstance(settings_kls, type) and is_dataclass(settings_kls)):
        raise SettingsError(f"{what} {kind.__name__}: settings_kls must be a dataclass, found {settings_kls!r}")
    if not issubclass(settings_kls, Settings):
        warnings.warn(
            f"{what} {kind.__name__}: {settings_kls.__name__} is a plain dataclass; derive it from py4cast's Settings",
            stacklevel=2,
        )
    return decode(settings_kls, dict(document), where=what, source=source)


def build_network(
    name: str,
    num_input_features: int,
    num_output_features: int,
    document: Mapping[str, Any],
    grid: Grid,
    statics: Statics,
    source: str = "",
    use_checkpoint: bool = False,
    inputs: Mapping[str, InputInfo] | None = None,
) -> tuple[GriddedNetwork, Any]:
    """The model `name` behind its GriddedNetwork, and its settings.

    Raises:
        SettingsError: an unknown model, wrong settings, a constructor that does not take them, or a model that asks
            for an input that the data do not have.
    """
    kind = registry.get(name)
    for key in getattr(kind, "further_inputs", ()):
        if key not in (inputs or {}):
            raise SettingsError(
                f"model {name!r} asks for the input {key!r}{nearest(key, inputs or {})}; set dataset.inputs"
            )
    settings = read_settings(kind, document, "model", source)
    own = statics.copy()
    kind.rank_zero_setup(settings, own)
    parameters = inspect.signature(kind.__init__).parameters
    offered: dict[str, Any] = {"grid": grid, "grid_shape": grid.shape, "statics": own, "inputs": inputs or {}}
    wanted = {key: value for key, value in offered.items() if key in parameters}
    try:
        model: Any = kind(num_input_features, num_output_features, settings, **wanted)  # type: ignore[call-arg]
    except DataError:
        raise
    except (ValueError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SettingsError(f"model {name!r} cannot be made with {_shown(settings)}: {reason}") from error
    if not issubclass(kind, nn.Module):
        raise SettingsError(f"model {name!r}: {kind.__name__} is no torch.nn.Module")
    model.transform_statics(statics.copy())
    return GriddedNetwork(model, grid.shape, use_checkpoint), settings


def _shown(settings: Any) -> str:
    return ", ".join(f"{f.name}={getattr(settings, f.name)!r}" for f in fields(settings))
