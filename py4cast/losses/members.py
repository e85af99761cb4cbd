"""The almost fair CRPS of members, which losses of cells and of views of neighbours are made of."""

from torch import Tensor

from py4cast.scores.ensemble import absolute_difference

__all__ = ["almost_fair_crps", "almost_fair_share", "check_alpha"]


def check_alpha(alpha: float) -> None:
    """ValueError for an α that is no share of fairness, 0 to 1."""
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha {alpha}: expected 0 to 1")


def almost_fair_share(num_members: int, alpha: float) -> float:
    """What a pair of members weighs, (1 − (1 − α)/m)/(2m(m − 1))."""
    return (1 - (1 - alpha) / num_members) / (2 * num_members * (num_members - 1))


def almost_fair_crps(members: Tensor, truth: Tensor, alpha: float, counted: Tensor | None = None) -> Tensor:
    """1/m Σ_j|x_j − y| − (1 − (1 − α)/m)/(2m(m − 1)) Σ_jΣ_k|x_j − x_k| of every value, `(batch, …)`.

    One member is scored by its absolute error.

    Args:
        members: `(batch, member, …)`.
        truth: `(batch, …)`.
        alpha: α, 1 for the fair score, 0 for the plain one.
        counted: where values count, of the truth's shape; 0 elsewhere. None for everywhere.
    """
    truth = truth.unsqueeze(1)
    if counted is not None:
        # pairs of a cell that does not count would reward spread without bound
        left_out = ~counted.unsqueeze(1)
        members, truth = members.masked_fill(left_out, 0.0), truth.masked_fill(left_out, 0.0)
    accuracy = (members - truth).abs().mean(1)
    m = members.shape[1]
    return accuracy if m < 2 else accuracy - almost_fair_share(m, alpha) * absolute_difference(members.transpose(0, 1))
