"""Scores of ensembles; `member` leads: `(member, ..., lat, lon, features)`.

References: T. Gneiting and A. E. Raftery (2007), Strictly proper scoring rules, doi 10.1198/016214506000001437 (CRPS,
energy score); C. A. T. Ferro (2014), Fair scores for ensemble forecasts, doi 10.1002/qj.2270 (fair forms);
V. Fortin et al. (2014), Why should ensemble spread match the RMSE of the ensemble mean?, doi 10.1175/JHM-D-14-0008.1
(the ratio's correction); T. M. Hamill (2001), Interpretation of rank histograms, doi
10.1175/1520-0493(2001)129<0550:IORHFV>2.0.CO;2.
"""

import torch
from torch import Tensor

__all__ = ["absolute_difference", "brier", "crps", "energy_score", "rank_shares", "spread_skill_ratio", "variance"]


def absolute_difference(members: Tensor) -> Tensor:
    """Σᵢ Σⱼ |xᵢ − xⱼ| over all pairs of members, both orders, by sorting: 2 Σᵢ (2i − m − 1)·x₍ᵢ₎."""
    m = members.shape[0]
    ranks = 2.0 * torch.arange(1, m + 1, device=members.device, dtype=members.dtype) - m - 1
    weighted: Tensor = torch.tensordot(ranks, members.sort(dim=0).values, dims=([0], [0]))
    return 2.0 * weighted


def crps(members: Tensor, target: Tensor, is_fair: bool = True) -> Tensor:
    """Continuous ranked probability score: mean |xᵢ − y| − ½ · mean |xᵢ − xⱼ|, in the units of the field.

    The fair form divides the pairs by m(m − 1) and so scores the distribution that the members were drawn from;
    the plain one divides by m² and scores the members themselves. NaN for the fair form of one member.
    """
    m = members.shape[0]
    pairs = float(m * (m - 1) if is_fair else m * m)
    accuracy = (members - target).abs().mean(0)
    return accuracy - absolute_difference(members) / (2 * pairs) if pairs else torch.full_like(accuracy, torch.nan)


def variance(members: Tensor) -> Tensor:
    """Unbiased variance of the members, Σ (xᵢ − x̄)²/(m − 1); NaN for one member."""
    if members.shape[0] < 2:
        return torch.full_like(members[0], torch.nan)
    return members.var(0, correction=1)


def spread_skill_ratio(mean_variance: Tensor, mean_square_error: Tensor, num_members: int) -> Tensor:
    """√((m + 1)/m · ⟨s²⟩ / ⟨(x̄ − y)²⟩): 1 for an ensemble whose spread tells its error, below 1 for too little spread."""
    return ((num_members + 1) / num_members * mean_variance / mean_square_error).sqrt()


def rank_shares(members: Tensor, target: Tensor) -> Tensor:
    """Where the truth ranks among the members: `(..., rank)` with m + 1 ranks, summing to 1 over them.

    Among equal values (dry members and no rain) the truth is as likely before as behind each, so its share is spread
    evenly over the ranks that it could take.
    """
    m = members.shape[0]
    below, equal = (members < target).sum(0), (members == target).sum(0)
    ranks = torch.arange(m + 1, device=members.device)
    inside = (ranks >= below.unsqueeze(-1)) & (ranks <= (below + equal).unsqueeze(-1))
    return inside.to(members.dtype) / (equal + 1).unsqueeze(-1)


def brier(probability: Tensor, observed: Tensor, num_members: int | None = None) -> Tensor:
    """(p − o)²; with `num_members` the fair form, less p(1 − p)/(m − 1)."""
    score = (probability - observed).square()
    if num_members is None:
        return score
    if num_members < 2:
        return torch.full_like(score, torch.nan)
    return score - probability * (1 - probability) / (num_members - 1)


def energy_score(members: Tensor, target: Tensor, weights: Tensor, is_fair: bool = True) -> Tensor:
    """Mean ‖xᵢ − y‖ − ½ · mean ‖xᵢ − xⱼ‖ with ‖f‖² = Σ w f²/Σ w over the cells, one value per feature.

    Args:
        members: `(member, cells, features)`.
        target: `(cells, features)`.
        weights: `(cells, features)`.
        is_fair: whether the pairs are divided by m(m − 1) instead of m².
    """
    m, total = members.shape[0], weights.sum(0)
    deviations = members - target
    products = torch.einsum("icf,jcf->fij", deviations * weights, deviations) / total[:, None, None]
    squares = products.diagonal(dim1=-2, dim2=-1)
    # ‖xᵢ − xⱼ‖² from the products of the deviations; rounding may leave a hair below zero
    apart = (squares[:, :, None] + squares[:, None, :] - 2 * products).clamp(min=0)
    apart = apart * (1 - torch.eye(m, device=members.device, dtype=members.dtype))
    pairs = float(m * (m - 1) if is_fair else m * m)
    accuracy = squares.clamp(min=0).sqrt().mean(-1)
    return accuracy - apart.sqrt().sum((-2, -1)) / (2 * pairs) if pairs else torch.full_like(accuracy, torch.nan)
