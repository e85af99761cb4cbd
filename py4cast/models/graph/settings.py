"""The settings that networks on a mesh share, and those that a family adds."""

from dataclasses import dataclass
from typing import Literal

from py4cast.settings import Settings, setting

__all__ = ["AttentionSettings", "GraphSettings", "MeshSettings", "WindowSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshSettings(Settings):
    """Settings of every network on a mesh."""

    hidden_dims: int = setting(64, "width of nodes, edges and hidden layers")
    hidden_layers: int = setting(1, "hidden layers of each MLP")
    processor_layers: int = setting(4, "layers of the processor on the mesh")
    mesh: Literal["auto", "rectangular", "icosahedral", "octahedral", "healpix", "neural_lam"] = setting(
        "auto",
        "auto: round the globe icosahedral (transformer: octahedral), else rectangular, of points in a region icosahedral; "
        "neural_lam: as that package lays it out, for its weights",
    )
    mesh_levels: int | None = setting(None, "levels of the mesh; as many as the grid carries by default")
    mesh_spacing: float | None = setting(None, "cells between two nodes along a side, so that a node stands for its square of cells, of points too; 3 to 9 by default, as the paper has it")  # fmt: skip
    mesh_edges: Literal["cutoff", "nearest", "both"] = setting(
        "cutoff", "which cells a node hears: within its radius, the nearest of both sides, or both"
    )
    num_nearest: int = setting(
        4, "how many nodes a cell hears, and how many are nearest where mesh_edges asks for them"
    )
    further_inputs: tuple[str, ...] = setting(
        (), "keys of dataset.inputs, on points or grids of their own, that the cells hear too"
    )

    def __post_init__(self) -> None:
        for name in ("hidden_dims", "hidden_layers", "processor_layers", "num_nearest"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, found {getattr(self, name)}")
        if self.mesh_levels is not None and self.mesh_levels < 1:
            raise ValueError(f"mesh_levels must be at least 1, found {self.mesh_levels}")
        if self.mesh_spacing is not None and not self.mesh_spacing >= 1.0:
            raise ValueError(f"mesh_spacing must be at least 1 cell, found {self.mesh_spacing}")
        if self.mesh_spacing is not None and self.mesh == "neural_lam":
            raise ValueError("mesh_spacing has no effect with mesh='neural_lam'; expected mesh='rectangular'")
        if len(set(self.further_inputs)) < len(self.further_inputs):
            raise ValueError(f"further_inputs {', '.join(self.further_inputs)}: one stands twice")
        for key in self.further_inputs:
            if not key.isidentifier() or key in ("x", "terms", "condition"):
                raise ValueError(
                    f"further_inputs: {key!r} cannot be told from the network's own arguments; expected another key"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSettings(MeshSettings):
    """Settings of a network of messages and of its mesh."""

    mesh_aggr: Literal["sum", "mean"] = setting("sum", "how messages to a node are joined: sum or mean")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionSettings(MeshSettings):
    """Settings of a network whose nodes attend to each other, and of its mesh."""

    num_heads: int = setting(4, "heads of each attention; hidden_dims is a multiple of it")
    mlp_ratio: int = setting(4, "width of the hidden layer after each attention, over hidden_dims")

    def __post_init__(self) -> None:
        # slots make a class anew, so that `super()` alone would not find it
        MeshSettings.__post_init__(self)
        for name in ("num_heads", "mlp_ratio"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, found {getattr(self, name)}")
        if self.hidden_dims % self.num_heads:
            raise ValueError(f"hidden_dims {self.hidden_dims} is no multiple of num_heads {self.num_heads}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSettings(AttentionSettings):
    """Settings of a network whose nodes attend to those near them in the mesh's order."""

    window: int = setting(256, "how many nodes on each side, in the order of the mesh, a node attends to")

    def __post_init__(self) -> None:
        AttentionSettings.__post_init__(self)
        if self.window < 1:
            raise ValueError(f"window must be at least 1, found {self.window}")
