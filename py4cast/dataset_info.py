"""DatasetInfo: all that a Forecaster needs to know of the data; it travels inside the saved Forecaster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch

from py4cast.batch import STANDARD_KEYS, ItemBatch, Statics
from py4cast.border import Border
from py4cast.errors import DataError, nearest
from py4cast.grid import Grid
from py4cast.html import facts, table
from py4cast.namedtensor import NamedTensor
from py4cast.statistics import Stats
from py4cast.timeline import told
from py4cast.units import same_units
from py4cast.variables import Role, Variable, names_of

__all__ = ["DatasetInfo", "InputInfo"]


class _Shortnames(NamedTuple):
    forcing: list[str]
    input_output: list[str]
    diagnostic: list[str]


@dataclass(slots=True)
class InputInfo:
    """A further input of the samples, on a grid of its own.

    Args:
        grid: where its cells are.
        variables: its features, in order.
        stats: their statistics over the training period, physical units.
        at_start: whether all steps see what was known at the start of the forecast.
    """

    grid: Grid
    variables: Sequence[Variable]
    stats: Stats
    at_start: bool = False

    @property
    def names(self) -> list[str]:
        """The names of its features, in order."""
        return [v.name for v in self.variables]


@dataclass(slots=True)
class DatasetInfo:
    """What a dataset is, apart from its values.

    Args:
        name: what to call it.
        grid: where the cells are.
        variables: prognostic, diagnostic and forcing variables (computed ones included), in the order of features.
        step_duration: time between two states.
        stats: statistics of every feature over the training period, physical units.
        diff_stats: statistics of one-step differences of the standardised fields: μ_Δ, σ_Δ.
        statics: static features, masks and weights.
        lineage: where it comes from, as plain JSON values.
        inputs: further inputs of the samples by key, on grids of their own, for models that ask for them.
        learned_stats: statistics of what is learned in place of variables with a transform, by learned feature.
        learned_diff_stats: of its one-step differences, in units of its deviation.
    """

    name: str
    grid: Grid
    variables: Sequence[Variable]
    step_duration: np.timedelta64
    stats: Stats
    diff_stats: Stats
    statics: Statics
    lineage: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, InputInfo] = field(default_factory=dict)
    learned_stats: Stats = field(default_factory=lambda: Stats({}))
    learned_diff_stats: Stats = field(default_factory=lambda: Stats({}))

    def names(self, *roles: Role) -> list[str]:
        """Names of the variables of these roles, role after role."""
        return names_of(self.variables, *roles)

    @property
    def prognostic(self) -> list[str]:
        """Features that are predicted and fed back."""
        return self.names("prognostic")

    @property
    def diagnostic(self) -> list[str]:
        """Features that are predicted only."""
        return self.names("diagnostic")

    @property
    def forcing(self) -> list[str]:
        """Features that are given at each predicted step."""
        return self.names("forcing")

    @property
    def predicted(self) -> list[str]:
        """Features of the outputs: prognostic, then diagnostic."""
        return self.names("prognostic", "diagnostic")

    @property
    def static(self) -> list[str]:
        """The names of the static features."""
        return list(self.statics.grid_static_features.feature_names)

    @property
    def weather_dim(self) -> int:
        """The number of prognostic features."""
        return len(self.prognostic)

    @property
    def forcing_dim(self) -> int:
        """The number of forcing features."""
        return len(self.forcing)

    @property
    def units(self) -> dict[str, str]:
        """The units of every feature, by name."""
        return {v.name: v.units for v in self.variables}

    @property
    def state_weights(self) -> dict[str, float]:
        """Weight in the loss of every predicted feature."""
        return {v.name: v.loss_weight for v in self.variables if v.is_predicted}

    @property
    def shortnames(self) -> _Shortnames:
        """Names by role, in the older words."""
        return _Shortnames(self.forcing, self.prognostic, self.diagnostic)

    def variable(self, name: str) -> Variable:
        """The variable of a feature; ValueError when there is none."""
        for variable in self.variables:
            if variable.name == name:
                return variable
        raise ValueError(f"no variable {name!r}{nearest(name, [v.name for v in self.variables])}")

    def num_input_features(self, num_input_steps: int) -> int:
        """Width of the network's input: past states, statics, forcings."""
        return num_input_steps * self.weather_dim + len(self.static) + self.forcing_dim

    def without_border(self) -> "DatasetInfo":
        """The same data where no truth is imposed: every cell is interior."""
        valid = self.statics.valid_mask.squeeze(-1).numpy()
        return replace(self, statics=Statics.build(self.grid, self.statics.grid_static_features, 0, valid))

    @property
    def _without_gaps(self) -> set[str]:
        """Variables that must have a value everywhere."""
        return {v.name for v in self.variables if v.nan == "forbid"}

    def has_gaps(self, batch: ItemBatch) -> torch.Tensor:
        """Whether `check_gaps` refuses a batch, as a value of the batch's device that nobody has to wait for."""
        whole, sums = self._without_gaps, []
        for named in (batch.fields[key] for key in STANDARD_KEYS if key in batch.fields):
            places = [i for i, name in enumerate(named.feature_names) if name in whole]
            # the sum is NaN where any value is, and costs less than asking each
            if len(places) == len(named.feature_names):
                sums.append(named.tensor.sum())
            elif places:
                by_feature = named.tensor.flatten(0, -2).sum(0)
                sums += [by_feature[i] for i in places]
        return torch.isnan(torch.stack(sums)).any() if sums else torch.zeros((), dtype=torch.bool)

    def check_gaps(self, batch: ItemBatch) -> None:
        """Refuses a batch in which a variable lacks values that `nan` forbids, in past states, forcings or truth.

        Raises:
            DataError: names the variable, the forecast and how many cells lack.
        """
        whole = self._without_gaps
        for key in STANDARD_KEYS:
            field = batch.fields.get(key)
            # the sum is NaN where any value is, and costs less than asking each
            if field is None or not bool(torch.isnan(field.tensor.sum())):
                continue
            for name in field.feature_names:
                lacking = torch.isnan(field[name]) if name in whole else None
                if lacking is None or not bool(lacking.any()):
                    continue
                sample = int(lacking.flatten(1).any(1).nonzero()[0])
                start = "" if batch.init_time is None else f" of the forecast from {batch.init_time[sample]}"
                raise DataError(
                    f"{key} {name}{start}: {int(lacking[sample].sum())} values are NaN, which its setting nan: forbid does not "
                    f"allow; give nan: mask, or mend the data"
                )

    def check_same(self, other: "DatasetInfo") -> None:
        """Refuses data that this one's Forecaster was not made for.

        Raises:
            DataError: another grid, another step, or variables that lack, differ in units or in level.
        """
        if not self.grid.same_as(other.grid):
            raise DataError(
                f"dataset {other.name!r}: its grid is not the Forecaster's: found {other.grid.describe()}; "
                f"expected {self.grid.describe()}"
            )
        if self.step_duration != other.step_duration:
            raise DataError(
                f"dataset {other.name!r}: step of {told(other.step_duration)}, the Forecaster was trained on {told(self.step_duration)}"
            )
        theirs = {v.name: v for v in other.variables}
        for mine in self.variables:
            if mine.name not in theirs:
                raise DataError(
                    f"dataset {other.name!r}: lacks {mine.role} {mine.name!r} of the Forecaster{nearest(mine.name, theirs)}"
                )
            their_variable = theirs[mine.name]
            if (
                mine.role != their_variable.role
                or mine.level != their_variable.level
                or not same_units(mine.units or "1", their_variable.units or "1")
            ):
                raise DataError(
                    f"dataset {other.name!r}: {mine.name} is {their_variable.role}, level {their_variable.level}, [{their_variable.units}]; "
                    f"the Forecaster expects {mine.role}, level {mine.level}, [{mine.units}]"
                )
        for key, input_info in self.inputs.items():
            given = other.inputs.get(key)
            if given is None or given.names != input_info.names or not input_info.grid.same_as(given.grid):
                what = "none" if given is None else f"{given.names} on {given.grid.describe()}"
                raise DataError(
                    f"dataset {other.name!r}: input {key!r} is {what}; the Forecaster expects {input_info.names} on {input_info.grid.describe()}"
                )
        if self.static != other.static:
            raise DataError(
                f"dataset {other.name!r}: static features {other.static}; the Forecaster expects {self.static}"
            )

    def rows(self) -> list[tuple[str, ...]]:
        """A row per variable, under a first row of names: role, units, level and statistics as text."""
        rows: list[tuple[str, ...]] = [("variable", "role", "units", "level", "mean", "std", "diff_std [std]")]
        for v in self.variables:
            mean, std = (f"{self.stats[v.name][k]:.5g}" if v.name in self.stats else "-" for k in ("mean", "std"))
            diff = f"{self.diff_stats[v.name]['std']:.4f}" if v.name in self.diff_stats else "-"
            level = f"{v.level:g} {v.type_of_level or ''}".strip() if v.level is not None else "-"
            rows.append((v.name, v.role, v.units, level, mean, std, diff))
        return rows

    def summary(self) -> str:
        """Table of the variables with their roles, units, levels and statistics."""
        rows = self.rows()
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        head = [
            f"dataset {self.name}, step {told(self.step_duration)}",
            f"grid {self.grid.describe()}",
            f"statics {', '.join(self.static) or 'none'}",
        ]
        return "\n".join([*head, *lines])

    def _repr_html_(self) -> str:
        known = [
            ("step", told(self.step_duration)),
            ("grid", self.grid.describe()),
            ("statics", ", ".join(self.static)),
        ]
        head, *rows = self.rows()
        return facts(f"dataset {self.name}", known) + table(head, rows)

    def pack(self) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        """A JSON description and tensors, from which `unpack` makes it again."""
        grid_meta, grid_arrays = self.grid.pack()
        tensors = {f"grid.{k}": torch.from_numpy(np.array(v)) for k, v in grid_arrays.items()}
        tensors["statics.features"] = self.statics.grid_static_features.tensor.contiguous()
        tensors["statics.valid_mask"] = self.statics.valid_mask.squeeze(-1).to(torch.uint8).contiguous()
        border = self.statics.border_mask.squeeze(-1)
        inputs: dict[str, Any] = {}
        for key, further in self.inputs.items():
            meta, arrays = further.grid.pack()
            tensors |= {f"inputs.{key}.{k}": torch.from_numpy(np.array(v)) for k, v in arrays.items()}
            variables = [v.to_dict() for v in further.variables]
            inputs[key] = {"grid": meta, "variables": variables, "stats": further.stats.to_dict()}
            inputs[key] |= {"at_start": True} if further.at_start else {}
        return {
            "name": self.name,
            "grid": grid_meta,
            "variables": [v.to_dict() for v in self.variables],
            "step_duration_s": int(self.step_duration / np.timedelta64(1, "s")),
            "stats": self.stats.to_dict(),
            "diff_stats": self.diff_stats.to_dict(),
            "static": self.static,
            "border_size": 0
            if self.statics.border.to_dict()
            else int(border[:, border.shape[1] // 2].sum().item()) // 2,
            **({"border": told} if (told := self.statics.border.to_dict()) else {}),
            "lineage": dict(self.lineage),
            "inputs": inputs,
            **(
                {"learned": {"stats": self.learned_stats.to_dict(), "diff_stats": self.learned_diff_stats.to_dict()}}
                if self.learned_stats.table
                else {}
            ),
        }, tensors

    @classmethod
    def unpack(cls, meta: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> "DatasetInfo":
        """The DatasetInfo of plain JSON values and tensors: the inverse of `pack`."""
        arrays = {k.removeprefix("grid."): v.numpy() for k, v in tensors.items() if k.startswith("grid.")}
        grid = Grid.unpack(meta["grid"], arrays)
        features = NamedTensor(tensors["statics.features"], ["lat", "lon", "features"], meta["static"])
        valid = tensors["statics.valid_mask"].bool().numpy()
        return cls(
            name=meta["name"],
            grid=grid,
            variables=[Variable.from_dict(v) for v in meta["variables"]],
            step_duration=np.timedelta64(meta["step_duration_s"], "s"),
            stats=Stats(meta["stats"]),
            diff_stats=Stats(meta["diff_stats"]),
            statics=Statics.build(grid, features, Border.from_dict(meta["border_size"], meta.get("border", {})), valid),
            lineage=meta["lineage"],
            inputs={key: _unpack_input(key, packed, tensors) for key, packed in meta.get("inputs", {}).items()},
            learned_stats=Stats(meta.get("learned", {}).get("stats", {})),
            learned_diff_stats=Stats(meta.get("learned", {}).get("diff_stats", {})),
        )


def _unpack_input(key: str, meta: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> InputInfo:
    prefix = f"inputs.{key}."
    arrays = {k.removeprefix(prefix): v.numpy() for k, v in tensors.items() if k.startswith(prefix)}
    variables = [Variable.from_dict(v) for v in meta["variables"]]
    grid, stats = Grid.unpack(meta["grid"], arrays), Stats(meta["stats"])
    return InputInfo(grid, variables, stats, bool(meta.get("at_start", False)))
