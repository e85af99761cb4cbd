"""The data as a network learns them: variables with a transform in place of what they are in files."""

from collections.abc import Iterable
from dataclasses import replace

from py4cast.dataset_info import DatasetInfo
from py4cast.errors import SettingsError
from py4cast.transforms import TransformABC, transform_of
from py4cast.variables import Variable

__all__ = ["learned_info", "learned_of", "transforms_of"]


def transforms_of(variables: Iterable[Variable]) -> dict[str, TransformABC]:
    """The transforms of variables that have one, by name."""
    transforms = {v.name: transform_of(v) for v in variables if v.constraint is not None}
    return {name: transform for name, transform in transforms.items() if transform.changes}


def learned_info(info: DatasetInfo) -> DatasetInfo:
    """The data as they are learned: a variable with a transform T is T(x), with statistics of T(x).

    An angle `dd` becomes two variables, `dd_sin` and `dd_cos`, each of half its weight in the loss. Without transforms the
    data are as they were.
    """
    transforms = transforms_of(info.variables)
    if not transforms:
        return info
    variables: list[Variable] = []
    for variable in info.variables:
        transform = transforms.get(variable.name)
        parts = ("",) if transform is None else transform.parts
        weight = variable.weight if len(parts) == 1 else variable.loss_weight / len(parts)
        variables += [
            variable if parts == ("",) else replace(variable, name=f"{variable.name}{part}", weight=weight)
            for part in parts
        ]
    return replace(
        info,
        variables=variables,
        stats=info.stats | info.learned_stats,
        diff_stats=info.diff_stats | info.learned_diff_stats,
    )


def learned_of(info: DatasetInfo, strategy: str, takes_transforms: bool) -> DatasetInfo:
    """The data as a strategy learns them.

    Args:
        info: of the data.
        strategy: its name.
        takes_transforms: whether it learns variables as something else.

    Raises:
        SettingsError: transforms for a strategy that reads physical values, or whose statistics nobody has made.
    """
    transforms = transforms_of(info.variables)
    if transforms and not takes_transforms:
        raise SettingsError(
            f"variables.{next(iter(transforms))}: strategy {strategy!r} reads physical values, and takes no transforms"
        )
    lacking = [n for n, t in transforms.items() for part in t.parts if f"{n}{part}" not in info.learned_stats]
    if lacking:
        raise SettingsError(
            f"variables.{lacking[0]}: no statistics of its transform; py4cast.learned_statistics makes them"
        )
    return learned_info(info)
