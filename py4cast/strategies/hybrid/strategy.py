"""The strategy hybrid: physics and a network in one step, and what the network is trained on."""

from typing import Any, ClassVar

from torch import Tensor

from py4cast.dataset_info import DatasetInfo
from py4cast.errors import SettingsError, nearest
from py4cast.given import Samples
from py4cast.strategies.base import Loss, Network
from py4cast.strategies.hybrid.objectives import OBJECTIVES
from py4cast.strategies.hybrid.settings import HybridSettings
from py4cast.strategies.hybrid.step import HybridStep

__all__ = ["Hybrid"]


class Hybrid(HybridStep):
    """Creates x(t+1) = coupling(physics, x(t), r), r = σ_r·f(x̂) + μ_r − its mean where the physics keeps the mean.

    Physical units inside; the network does not see the forcings that act through the physics. σ_r, μ_r are those of the
    subgrid tendency where the data have it, else of what a step changes, σ·σ_Δ/Δt and 0. The network is called once for
    `num_substeps` steps of the physics and its rate is held over them.

    Diagnostics: the subgrid tendency is r with what a closure of a formula adds; fields that the physics derives are
    derived from the new state; all others are the network's.

    References: H. Frezat et al. (2022), A posteriori learning for quasi-geostrophic turbulence parametrization,
    doi 10.1029/2022MS003124; D. Kochkov et al. (2024), Neural general circulation models for weather and climate,
    doi 10.1038/s41586-024-07744-y.
    """

    settings_kls: ClassVar[type] = HybridSettings
    takes_transforms: ClassVar[bool] = False
    reference = "Frezat et al. (2022), doi 10.1029/2022MS003124"
    exports: ClassVar[bool] = False
    unexported: ClassVar[str] = (
        "a step of its physics has no ONNX; export what the network gives to a solver with --rate"
    )

    def __init__(self, settings: Any, info: DatasetInfo) -> None:
        super().__init__(settings, info)
        self._check_training(info)
        self.objective = OBJECTIVES[settings.training](settings, info)

    def _check_training(self, info: DatasetInfo) -> None:
        """Refuses a training that would not learn what is asked for."""
        chosen = self.settings
        if chosen.training != "online" and any(True for _ in self.physics.parameters()):
            raise SettingsError(
                f"training={chosen.training}: parameters of the physics are learned through its steps alone; training=online"
            )
        if chosen.training != "offline":
            return
        if not self.has_subgrid:
            raise SettingsError(
                f"training=offline: the data have no diagnostic {chosen.subgrid!r}{nearest(chosen.subgrid, info.diagnostic)}"
            )
        if chosen.term not in (None, "closure"):
            raise SettingsError(
                f"training=offline: {chosen.subgrid} is not the term {chosen.term!r} that the network stands for; training=online"
            )
        if self.num_inter_steps > 1:
            raise SettingsError(
                f"training=offline: {chosen.subgrid} is given once per step of the data; num_inter_steps=1, or training=online"
            )

    def training_loss(self, model: Network, loss: Loss, samples: Samples) -> Any:
        if samples.inputs:
            raise SettingsError("hybrid: models with further inputs are not trained through physics")
        forcing = None if samples.forcing is None else self.fill_forcing(samples.forcing)
        filled = samples._replace(states=self.fill_states(samples.states), forcing=forcing)
        if self.objective.steps_physics:
            self.start(filled.states)
        value: Tensor = self.objective.loss(self, model, loss, filled)
        if self.training:
            self.updates += 1
        return value
