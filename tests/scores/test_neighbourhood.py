import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

from py4cast.scores.neighbourhood import fractions_skill_score, summed_area, window_sums


def test_the_table_starts_with_zeros_and_ends_with_the_sum() -> None:
    table = summed_area(torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    assert table.tolist() == [[0, 0, 0, 0], [0, 1, 3, 6], [0, 5, 12, 21]]


@pytest.mark.parametrize("window", [1, 3, 5])
def test_sums_of_several_fields_at_once(window: int) -> None:
    fields = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, 7, 9)))
    sums = window_sums(summed_area(fields), window)
    means = uniform_filter(fields.numpy(), (0, 0, window, window), mode="constant")
    margin = window // 2
    inside = means[..., margin : 7 - margin, margin : 9 - margin]
    np.testing.assert_allclose(sums, inside * window**2, atol=1e-12)


def test_a_window_as_large_as_the_field_has_one_sum() -> None:
    assert window_sums(summed_area(torch.ones(4, 4)), 4).tolist() == [[16.0]]


def test_skill_of_squares() -> None:
    both = torch.tensor([0.25, 0.5, 0.0])
    skill = fractions_skill_score(torch.tensor([0.0, 1.0, 0.0]), both, both)
    assert skill[:2].tolist() == [1.0, 0.0] and bool(skill[2].isnan()), "no event in either"
