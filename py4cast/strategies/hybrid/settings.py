"""Settings of hybrid."""

from dataclasses import dataclass
from typing import Any, Literal

from py4cast.settings import Settings, setting

__all__ = ["HybridSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridSettings(Settings):
    """Settings of hybrid: the physics, the coupling, the training."""

    physics: str = setting("barotropic", "what is known, by name")
    physics_settings: dict[str, Any] = setting(factory=dict, help="settings of the physics")
    coupling: Literal["tendency", "correction", "replacement"] = setting(
        "tendency", "the network adds to the tendency, corrects the state after the step, or stands for one term"
    )
    term: str | None = setting(None, "the term that it stands for, where coupling=replacement")
    training: Literal["online", "offline", "increments"] = setting(
        "online",
        "online: through the steps of the physics; offline: the subgrid tendency instant by instant; "
        "increments: (truth − forecast)/Δt of the physics' own short forecasts",
    )
    subgrid: str = setting(
        "subgrid_tendency", "diagnostic of the data that offline training matches, where they have it"
    )
    derived: tuple[str, ...] = setting((), "fields of the physics that the network sees beside the state")
    num_inter_steps: int = setting(1, "calls of the network per step of the data")
    num_substeps: int = setting(1, "steps of the physics per call of the network")
    horizons: tuple[tuple[int, int], ...] = setting(
        (),
        "online training: pairs (batch, number of steps): from this batch on so many; empty: all that a sample has",
    )
    spectral_weight: float | None = setting(
        None,
        "online training: weight of the spectrum's error at the last step; null: 1 on doubly periodic grids, else 0",
    )
    is_checkpointed: bool = setting(
        True,
        "online training: whether steps are computed again in the backward pass, for memory in proportion to √steps",
    )
    force_border: bool = setting(False, "whether truth is imposed in the border ring")

    def __post_init__(self) -> None:
        if self.num_inter_steps < 1 or self.num_substeps < 1:
            raise ValueError("num_inter_steps and num_substeps must be at least 1")
        begins = [begin for begin, _ in self.horizons]
        if self.horizons and (begins[0] != 0 or sorted(set(begins)) != begins or min(n for _, n in self.horizons) < 1):
            raise ValueError("horizons: expected pairs (batch, steps >= 1) with rising batches, the first at 0")
        if self.spectral_weight is not None and self.spectral_weight < 0:
            raise ValueError("spectral_weight must not be negative")
