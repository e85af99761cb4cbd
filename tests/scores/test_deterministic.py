import numpy as np
import torch

from py4cast.scores.deterministic import error, gradient_square


def test_the_error_is_forecast_less_truth() -> None:
    assert error(torch.tensor([3.0, 1.0]), torch.tensor([1.0, 4.0])).tolist() == [2.0, -3.0]


def test_differences_of_neighbours_of_every_leading_field() -> None:
    fields = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    rows, columns = gradient_square(torch.from_numpy(fields))
    assert rows.shape == (2, 3, 3, 5) and columns.shape == (2, 3, 4, 4)
    np.testing.assert_allclose(rows, np.diff(fields, axis=-2) ** 2, rtol=1e-12)
    np.testing.assert_allclose(columns, np.diff(fields, axis=-1) ** 2, rtol=1e-12)
