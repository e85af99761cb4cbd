"""ConditionalLayerNorm: the one block through which a vector steers a network."""

from torch import Tensor, nn

__all__ = ["ConditionalLayerNorm"]


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
