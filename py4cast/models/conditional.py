"""ConditionalLayerNorm and ConditionalScale: the blocks through which a vector steers a network, on features and on images."""

from torch import Tensor, nn

__all__ = ["ConditionalLayerNorm", "ConditionalScale", "scales_of"]


class ConditionalLayerNorm(nn.LayerNorm):
    """Creates y = LN(x)·(1 + s(c)) + b(c) over the last dimension, with s, b = W·SiLU(V·c) and W zero at the start.

    Weight and bias bear the names of a `nn.LayerNorm`, and what the condition adds begins at 0: a network that was trained
    without condition is reproduced exactly by its checkpoint.

    Args:
        num_features: of x.
        num_conditions: of c.
        width: of the embedding of c; by default `num_features`.

    Reference: F. Alet et al. (2025), Skillful joint probabilistic weather forecasting from marginals, arXiv 2506.10772.
    """

    def __init__(self, num_features: int, num_conditions: int, width: int | None = None) -> None:
        super().__init__(num_features)
        hidden = width or num_features
        last = nn.Linear(hidden, 2 * num_features)
        self.embedding = nn.Sequential(nn.Linear(num_conditions, hidden), nn.SiLU(), last)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:  # type: ignore[override]
        """`(batch, …, features)` of x `(batch, …, features)` and a condition `(batch, num_conditions)`."""
        scale, shift = self.embedding(condition).chunk(2, dim=-1)
        # one vector for all cells of a sample
        middle = (1,) * (x.ndim - 2)
        scale, shift = (part.reshape(part.shape[0], *middle, part.shape[-1]) for part in (scale, shift))
        result: Tensor = super().forward(x) * (1 + scale) + shift
        return result


class ConditionalScale(nn.Module):
    """Creates y = x·(1 + s(c)) + b(c) on images `(batch, features, lat, lon)`, with s, b = W·SiLU(V·c) and W zero at the start.

    Args:
        num_features: of x.
        num_conditions: of c.

    Reference: E. Perez et al. (2017), FiLM: visual reasoning with a general conditioning layer, arXiv 1709.07871.
    """

    def __init__(self, num_features: int, num_conditions: int) -> None:
        super().__init__()
        last = nn.Linear(num_features, 2 * num_features)
        self.embedding = nn.Sequential(nn.Linear(num_conditions, num_features), nn.SiLU(), last)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        """The image of x, steered by a condition `(batch, num_conditions)`; ValueError without one."""
        if condition is None:
            raise ValueError("a network that a vector steers was called without a condition")
        scale, shift = self.embedding(condition.to(x.dtype))[..., None, None].chunk(2, dim=1)
        result: Tensor = x * (1 + scale) + shift
        return result


def scales_of(num_blocks: int, num_features: int, num_conditions: int) -> nn.ModuleList:
    """A ConditionalScale for each of so many blocks; none where there is no condition."""
    return nn.ModuleList(
        ConditionalScale(num_features, num_conditions) for _ in range(num_blocks if num_conditions else 0)
    )
