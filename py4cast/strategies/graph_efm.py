"""graph_efm: members by a latent variable on the nodes of a network's mesh, learned with a posterior that sees what came."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from py4cast.dataset_info import DatasetInfo
from py4cast.errors import SettingsError
from py4cast.losses.base import LossABC
from py4cast.settings import Settings, setting
from py4cast.strategies.base import Loss, Network, Samples
from py4cast.strategies.scaled import ScaledABC

__all__ = ["GraphEFM", "GraphEFMSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphEFMSettings(Settings):
    """Settings of graph_efm: its latent variable, its objective, its members and the border."""

    num_latent: int = setting(8, "numbers of the latent variable on each of the coarsest nodes of the mesh")
    kl_weight: float = setting(1.0, "weight of KL(posterior‖prior), β of the evidence lower bound")
    crps_weight: float = setting(
        1.0, "weight of the loss of members that are drawn from the prior; 0 for the bound alone"
    )
    num_members: int = setting(2, "members in training")
    num_members_val: int = setting(8, "members in validation and test, and of a forecast where no number is asked for")
    force_border: bool = setting(True, "whether truth is imposed in the border ring")

    def __post_init__(self) -> None:
        if self.num_latent < 1:
            raise ValueError(f"num_latent {self.num_latent}: members by a latent variable need at least 1 number")
        for name in ("kl_weight", "crps_weight"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} {getattr(self, name):g}: expected 0 or more")
        for name in ("num_members", "num_members_val"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name} {getattr(self, name)}: the fair CRPS needs at least 2 members")


class _Posterior:
    """Creates a network whose latent variable sees what it is to predict, and which keeps the divergence of its laws."""

    def __init__(self, model: Network, truth: Tensor) -> None:
        self._model, self._truth = model, truth
        self.divergence: Tensor | None = None

    def __call__(self, x: Tensor, condition: Tensor, **named: Any) -> Tensor:
        noise_and_truth = torch.cat([condition, self._truth.to(condition.dtype)], dim=-1)
        result: Tensor = self._model(x, condition=noise_and_truth, **named)
        self.divergence = result[..., -1].mean((1, 2))
        return result[..., :-1]


class GraphEFM(ScaledABC):
    """Creates members x̂ⱼ(t+1) = x̂ⱼ(t) + σ_Δ·f(x̂ⱼ, zⱼ) + μ_Δ, zⱼ drawn on the mesh from a prior that depends on x̂ⱼ.

    Learned is ℓ(f(x̂, z_q), x) + β·KL(q‖p) + λ·ℓ(members), z_q drawn from a posterior q that has seen x(t+1) too: the evidence
    lower bound of one member, and the CRPS of several from the prior p, over rollouts both. KL is that of the whole mesh
    divided by the number of cells. A few numbers on few nodes move whole regions together, so that members are smooth.

    Reference: J. Oskarsson et al. (2024), Probabilistic weather forecasting with hierarchical graph neural networks,
    arXiv 2406.04759.
    """

    settings_kls: ClassVar[type] = GraphEFMSettings
    reference: ClassVar[str] = "Oskarsson et al. (2024), arXiv 2406.04759"
    default_loss: ClassVar[str] = "sum"
    default_model: ClassVar[str] = "hilam"

    def __init__(self, settings: Any, info: DatasetInfo) -> None:
        super().__init__(settings, info)
        self.noise, self.num_noise = "cells", settings.num_latent
        self.num_latent = settings.num_latent
        # its noise goes to the mesh, and is no input of the network
        self.num_extra_inputs = -settings.num_latent
        self.num_members, self.num_members_val = settings.num_members, settings.num_members_val
        self.force_border = settings.force_border

    def check_loss(self, loss: LossABC) -> None:
        """Refuses losses of one forecast; SettingsError."""
        if loss.needs_members:
            raise SettingsError(
                f"loss {type(loss).__name__} scores the law of members, strategy {type(self).__name__} trains one of its posterior too; use the "
                "default, --loss sum, or crps"
            )
        if not loss.takes_members:
            raise SettingsError(
                f"loss {type(loss).__name__} scores one forecast, strategy {type(self).__name__} trains {self.num_members} members; use "
                f"the default, --loss sum, or another that takes members, such as crps"
            )

    def advance(self, model: Network, x: Tensor, state: Tensor) -> Tensor:
        return self.changed(state, model(x[..., : -self.num_latent], condition=x[..., -self.num_latent :]))

    def training_loss(self, model: Network, loss: Loss, samples: Samples) -> Any:
        bound = self._bound(model, loss, samples)
        weight = self.settings.crps_weight
        return bound + weight * super().training_loss(model, loss, samples) if weight else bound

    def _bound(self, model: Network, loss: Loss, samples: Samples) -> Tensor:
        """The loss of one member of the posterior, and its divergence, `(batch, timestep)`."""
        assert samples.noise is not None, "a strategy with noise is given it"
        noise, truth = samples.noise[:, 0], self.fill(samples.truth)
        window = self.fill_states(samples.states)
        self.start(window)
        predictions: list[Tensor] = []
        divergences: list[Tensor] = []
        for i in range(samples.num_steps):
            if predictions:
                window = self.slide(window, predictions[-1].detach() if self.pushes_forward else predictions[-1])
            posterior = _Posterior(self._with_inputs(model, samples, i), truth[:, i])
            given = samples.forcing_of(i)
            forcing = None if given is None else self.fill_forcing(given)
            predictions.append(self.step(posterior, window, forcing, samples.border_of(i), noise[:, i]))
            assert posterior.divergence is not None, "the step calls the network"
            divergences.append(posterior.divergence)
        of_member: Tensor = loss(torch.stack(predictions, dim=1), samples.truth)
        weight: float = self.settings.kl_weight
        return of_member + weight * torch.stack(divergences, dim=1)

    def _with_inputs(self, model: Network, samples: Samples, step: int) -> Callable[..., Tensor]:
        """The network with the further inputs of a step, where there are some."""
        inputs = {key: self.fill(values[:, step]) for key, values in samples.inputs.items()}
        return partial(model, inputs=inputs) if inputs else model

    def validation_loss(self, model: Network, loss: Loss, samples: Samples, prediction: Tensor) -> Tensor:
        """The fair CRPS of the members of the forecast, on noise that is the same in every epoch."""
        return self.fair(loss, prediction, samples.truth)
