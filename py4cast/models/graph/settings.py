"""The settings that all graph networks share."""

from dataclasses import dataclass
from typing import Literal

from py4cast.settings import Settings, setting

__all__ = ["GraphSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSettings(Settings):
    """Settings of a graph network and of its mesh."""

    hidden_dims: int = setting(64, "width of nodes, edges and hidden layers")
    hidden_layers: int = setting(1, "hidden layers of each MLP")
    processor_layers: int = setting(4, "rounds of messages on the mesh")
    mesh_aggr: Literal["sum", "mean"] = setting("sum", "how messages to a node are joined: sum or mean")
    mesh: Literal["auto", "rectangular", "icosahedral", "neural_lam"] = setting(
        "auto",
        "auto: icosahedral round the globe, else rectangular; neural_lam: as that package lays it out, for its weights",
    )
    mesh_levels: int | None = setting(None, "levels of the mesh; as many as the grid carries by default")
    mesh_spacing: float | None = setting(None, "cells between two nodes; 3 to 9 by default, as the paper has it")

    def __post_init__(self) -> None:
        for name in ("hidden_dims", "hidden_layers", "processor_layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, found {getattr(self, name)}")
        if self.mesh_levels is not None and self.mesh_levels < 1:
            raise ValueError(f"mesh_levels must be at least 1, found {self.mesh_levels}")
        if self.mesh_spacing is not None and not self.mesh_spacing >= 1.0:
            raise ValueError(f"mesh_spacing must be at least 1 cell, found {self.mesh_spacing}")
        if self.mesh_spacing is not None and self.mesh == "neural_lam":
            raise ValueError("mesh_spacing has no effect with mesh='neural_lam'; expected mesh='rectangular'")
