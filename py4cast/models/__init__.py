"""PLUG POINT: models. A new one is one file here and one line below, an entry point in `py4cast.models`, or a
class in a top-level module `py4cast_plugin_*`.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from torch import nn

from py4cast.batch import Statics
from py4cast.dataset_info import InputInfo
from py4cast.errors import DataError, SettingsError, first_line, nearest
from py4cast.grid import Grid
from py4cast.models.base import GriddedNetwork, GridModel, ModelABC, NodeModel
from py4cast.models.image import ImageModel
from py4cast.registry import Registry
from py4cast.settings import settings_of

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

# its name in the older interface
read_settings = settings_of

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
        "graphtransformer": "py4cast.models.graph.graphtransformer:GraphTransformer",
        "transformer": "py4cast.models.graph.transformer:Transformer",
        "cnn": "py4cast.models.cnn:CNN",
        "zero": "py4cast.models.zero:Zero",
        "hilamparallel": "py4cast.models.graph.hilamparallel:HiLAMParallel",
    },
    extras={"sfno": "sfno", "mfai_": "mfai"},
)


def build_network(
    name: str,
    num_input_features: int,
    num_output_features: int,
    document: Any,
    grid: Grid,
    statics: Statics,
    source: str = "",
    use_checkpoint: bool = False,
    inputs: Mapping[str, InputInfo] | None = None,
    num_conditions: int = 0,
    num_latent: int = 0,
) -> tuple[GriddedNetwork, Any]:
    """The model `name` behind its GriddedNetwork, and its settings.

    Raises:
        SettingsError: an unknown model, wrong settings, a constructor that does not take them, a model that asks for an
            input that the data do not have, that does not take the kind of grid, or that takes no condition.
    """
    kind = registry.get(name)
    if grid.kind not in kind.grids:
        fitting = _names_of(lambda other: grid.kind in other.grids)
        raise SettingsError(f"model {name!r} takes no grid of {grid.kind}; models that do: {fitting}")
    if num_conditions and not kind.conditioned:
        fitting = _names_of(lambda other: other.conditioned)
        raise SettingsError(f"model {name!r} takes no condition, which the strategy gives; models that do: {fitting}")
    if num_latent and not kind.takes_latent:
        fitting = _names_of(lambda other: other.takes_latent)
        raise SettingsError(f"model {name!r} has no mesh for the strategy's latent variable; models that do: {fitting}")
    settings = settings_of(kind, document, "model", source)
    further = kind.inputs_of(settings)
    for key in further:
        if key not in (inputs or {}):
            raise SettingsError(
                f"model {name!r} asks for the input {key!r}{nearest(key, inputs or {})}; set dataset.inputs"
            )
    statics_of = statics.copy()
    kind.rank_zero_setup(settings, statics_of)
    parameters = inspect.signature(kind.__init__).parameters
    offered: dict[str, Any] = {"grid": grid, "grid_shape": grid.shape, "statics": statics_of, "inputs": inputs or {}}
    offered |= {"num_conditions": num_conditions, "num_latent": num_latent}
    wanted = {key: value for key, value in offered.items() if key in parameters}
    try:
        model: Any = kind(num_input_features, num_output_features, settings, **wanted)  # type: ignore[call-arg]
    except DataError:
        raise
    except (ValueError, TypeError) as error:
        reason = first_line(error)
        raise SettingsError(f"model {name!r} cannot be made with {_shown(settings)}: {reason}") from error
    if not issubclass(kind, nn.Module):
        raise SettingsError(f"model {name!r}: {kind.__name__} is no torch.nn.Module")
    model.transform_statics(statics.copy())
    return GriddedNetwork(model, grid.shape, use_checkpoint, further), settings


def _names_of(fits: Callable[[type[ModelABC]], bool]) -> str:
    """Models that fit, by comma."""
    return ", ".join(name for name, kind in registry.items() if fits(kind)) or "none"


def _shown(settings: Any) -> str:
    return ", ".join(f"{f.name}={getattr(settings, f.name)!r}" for f in fields(settings))
