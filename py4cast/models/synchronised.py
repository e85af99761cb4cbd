"""Batch norm over the samples of all ranks, so that more ranks are more samples and not other networks."""

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["SynchronisedBatchNorm", "synchronise"]


class _SumOfRanks(torch.autograd.Function):
    """The sum of a tensor over all ranks; the gradients of all ranks come back to each."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        total = values.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        torch.distributed.all_reduce(total)
        return total


def _summed(values: Tensor) -> Tensor:
    total: Tensor = _SumOfRanks.apply(values)  # type: ignore[no-untyped-call]
    return total


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
        others = [0, *range(2, input.dim())]
        shape = (1, -1, *(1,) * (input.dim() - 2))
        count = torch.tensor(float(input.numel() // input.shape[1]), device=input.device)
        torch.distributed.all_reduce(count)
        wide = input if input.dtype == torch.float64 else input.float()
        mean = _summed(wide.sum(others)) / count
        variance = _summed((wide - mean.reshape(shape)).square().sum(others)) / count
        self._follow(mean.detach(), variance.detach() * count / (count - 1).clamp_min(1.0))
        y = (wide - mean.reshape(shape)) * torch.rsqrt(variance + self.eps).reshape(shape)
        if self.affine:
            y = y * self.weight.reshape(shape) + self.bias.reshape(shape)
        return y.to(input.dtype)

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
