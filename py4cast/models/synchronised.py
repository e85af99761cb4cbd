"""Batch norm over the samples of all ranks, so that more ranks are more samples and not other networks."""

import torch
from torch import Tensor, nn

from py4cast.models.split.moments import Moments, normalised

__all__ = ["SynchronisedBatchNorm", "synchronise"]


def _add_up(values: Tensor) -> Tensor:
    """The sum over all ranks, in place."""
    torch.distributed.all_reduce(values)
    return values


class SynchronisedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Creates y = (x − μ)/√(σ² + ε)·w + b with μ, σ² over the samples of all ranks, on any device.

    Reference: S. Ioffe and C. Szegedy (2015), Batch normalization, arXiv 1502.03167.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected at least 2 dimensions, found {input.dim()}")

    def forward(self, input: Tensor) -> Tensor:
        """The normalised features of `(batch, features, …)`."""
        self._check_input_dim(input)
        uses_batch = self.training or self.running_mean is None
        if not (uses_batch and torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1):
            plain: Tensor = super().forward(input)
            return plain
        moments = Moments(tuple(input.shape[:2]), 0, _add_up, self.eps)
        y, mean, variance, count = normalised(input, moments, self.weight, self.bias)
        self._follow(mean[0], variance[0] * count[0] / (count[0] - 1).clamp_min(1.0))
        return y

    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        """Brings the running statistics towards those of a batch."""
        if not self.training or self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None, "goes with the running statistics"
        self.num_batches_tracked.add_(1)
        share = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)


def synchronise(module: nn.Module) -> int:
    """Puts synchronised batch norms in the places of plain ones, weights and all; how many there were."""
    count = 0
    for name, child in module.named_children():
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            other = SynchronisedBatchNorm(
                child.num_features, child.eps, child.momentum, child.affine, child.track_running_stats
            )
            state = child.state_dict()
            for value in state.values():
                if value.is_floating_point():
                    other.to(value.device, value.dtype)
                    break
            other.load_state_dict(state)
            other.train(child.training)
            setattr(module, name, other)
            count += 1
        else:
            count += synchronise(child)
    return count
