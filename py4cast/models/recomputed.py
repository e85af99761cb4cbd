"""A call of a network that keeps its inputs alone: what lies between is computed again in the backward pass.

A rollout of many steps then takes the memory of one, and the time of a second forward pass. The call is one node of the graph, with
the weights among its inputs, so that it is run again once whatever autograd functions are inside, and gradients reach weights as
those of any other operation do (and gradient hooks of several ranks find them so).

Reference: T. Chen et al. (2016), Training deep nets with sublinear memory cost, arXiv 1604.06174.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

__all__ = ["recomputation", "recomputed"]


class _FrozenBatchNorm(AbstractContextManager[None]):
    """Keeps the running statistics of batch norms as they are: the first pass has counted the batch already."""

    def __init__(self, module: nn.Module) -> None:
        self._norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]

    def __enter__(self) -> None:
        self._before = [
            (m.momentum, None if m.num_batches_tracked is None else m.num_batches_tracked.clone()) for m in self._norms
        ]
        for norm in self._norms:
            norm.momentum = 0.0

    def __exit__(self, *_: Any) -> None:
        for norm, (momentum, count) in zip(self._norms, self._before, strict=True):
            norm.momentum = momentum
            if norm.num_batches_tracked is not None and count is not None:
                norm.num_batches_tracked.copy_(count)


class _Surroundings(NamedTuple):
    """What a call depends on beside its inputs: random numbers, and the arithmetic of mixed precision.

    Args:
        on_processor: state of its generator.
        on_device: of that of the accelerator; None without one.
        device: of the inputs.
        mixed: data type of mixed precision; None for none.
    """

    on_processor: Tensor
    on_device: Tensor | None
    device: torch.device
    mixed: torch.dtype | None

    @classmethod
    def now(cls, device: torch.device) -> "_Surroundings":
        is_mixed = torch.is_autocast_enabled(device.type)
        return cls(
            torch.get_rng_state(),
            torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
            device,
            torch.get_autocast_dtype(device.type) if is_mixed else None,
        )

    def again(self, stack: ExitStack) -> None:
        """The same surroundings until the stack is closed."""
        stack.enter_context(torch.random.fork_rng([self.device] if self.on_device is not None else []))
        torch.set_rng_state(self.on_processor)
        if self.on_device is not None:
            torch.cuda.set_rng_state(self.on_device, self.device)
        stack.enter_context(torch.autocast(self.device.type, self.mixed, enabled=self.mixed is not None))


class _Call(torch.autograd.Function):
    """The call as one node: inputs, then weights."""

    @staticmethod
    def forward(ctx: Any, call: Callable[..., Tensor], module: nn.Module, num_inputs: int, *tensors: Tensor) -> Tensor:
        ctx.call, ctx.module, ctx.num_inputs = call, module, num_inputs
        ctx.surroundings = _Surroundings.now(tensors[0].device)
        ctx.save_for_backward(*tensors)
        with torch.no_grad():
            return call(*tensors[:num_inputs])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        tensors, count = ctx.saved_tensors, ctx.num_inputs
        wanted = ctx.needs_input_grad[3:]
        leaves = [t.detach().requires_grad_(w) for t, w in zip(tensors[:count], wanted, strict=False)]
        with ExitStack() as stack:
            stack.enter_context(torch.enable_grad())
            stack.enter_context(_FrozenBatchNorm(ctx.module))
            ctx.surroundings.again(stack)
            result = ctx.call(*leaves)
        asked = [t for t, w in zip((*leaves, *tensors[count:]), wanted, strict=True) if w]
        given = iter(torch.autograd.grad(result, asked, gradients, allow_unused=True))
        return (None, None, None, *(next(given) if w else None for w in wanted))


def recomputed(call: Callable[..., Tensor], module: nn.Module, *arguments: Any) -> Tensor:
    """`call(*arguments)`, of which only the arguments are kept.

    Args:
        call: of the module.
        module: whose weights it uses.
        arguments: tensors, or what is made of tensors (lists, dictionaries), or anything else.
    """
    flat, spec = pytree.tree_flatten(arguments)
    places = [i for i, value in enumerate(flat) if isinstance(value, Tensor)]

    def of_tensors(*tensors: Tensor) -> Tensor:
        values = list(flat)
        for place, tensor in zip(places, tensors, strict=True):
            values[place] = tensor
        return call(*pytree.tree_unflatten(values, spec))

    inputs = [flat[place] for place in places]
    result: Tensor = _Call.apply(of_tensors, module, len(inputs), *inputs, *module.parameters())  # type: ignore[no-untyped-call]
    return result


def recomputation(
    network: object,
) -> Callable[[], tuple[AbstractContextManager[Any], AbstractContextManager[Any]]]:
    """Contexts of the first pass and of the one that is made again in the backward pass, for torch's `checkpoint`."""
    module = network if isinstance(network, nn.Module) else nn.Identity()
    return lambda: (nullcontext(), _FrozenBatchNorm(module))
