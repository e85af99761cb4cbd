import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from py4cast.losses import registry
from py4cast.namedtensor import NamedTensor
from py4cast.testing import make_info


def by_numpy(y: np.ndarray, truth: np.ndarray, info, power: int) -> np.ndarray:
    """The formula written out, cell by cell sums in float64."""
    out = np.zeros(y.shape[:2])
    interior = ~info.grid.border_mask(1)
    area = info.grid.area_weights()
    for b, t in np.ndindex(*y.shape[:2]):
        for i, name in enumerate(info.predicted):
            cells = interior & info.statics.valid_mask[..., 0].numpy() & np.isfinite(truth[b, t, :, :, i])
            if cells.any():
                error = np.abs(y[b, t, :, :, i] - truth[b, t, :, :, i]) ** power
                mean = (area * error)[cells].sum() / area[cells].sum()
                out[b, t] += info.state_weights[name] / info.diff_stats[name]["std"] ** power * mean
    return out


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([("mse", 2), ("mae", 1)]), st.integers(0, 10_000), st.floats(0, 1))
def test_formula_with_missing_truth(loss: tuple[str, int], seed: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    valid = rng.random((17, 23)) > 0.2
    info = make_info(valid=valid)
    y, truth = rng.standard_normal((2, 2, 2, 17, 23, 3))
    truth[rng.random(truth.shape) < missing] = np.nan
    found = registry.get(loss[0])(info)(torch.from_numpy(y).float(), torch.from_numpy(truth).float())
    np.testing.assert_allclose(found.numpy(), by_numpy(y, truth, info, loss[1]), rtol=2e-4, atol=1e-6)


def test_a_further_mask_and_the_map() -> None:
    info = make_info()
    loss = registry.get("mse")(info)
    y, truth = torch.randn(2, 1, 3, 17, 23, 3)
    mask = torch.zeros(17, 23, 1, dtype=torch.bool)
    mask[5:9, 5:9] = True
    masked = truth.where(mask, torch.tensor(torch.nan))
    assert torch.allclose(loss(y, truth, mask), loss(y, masked))
    cells = loss(y, truth, reduce_spatial_dim=False)
    assert cells.shape == (1, 3, 17, 23) and (cells[:, :, 0] == 0).all()
    weights = info.statics.area_weights * info.statics.interior_mask[..., 0]
    assert torch.allclose((cells * weights).sum((2, 3)) / weights.sum(), loss(y, truth), rtol=1e-5)


def test_gradients_are_finite_beside_missing_truth() -> None:
    info = make_info()
    y = torch.randn(1, 1, 17, 23, 3, requires_grad=True)
    truth = torch.full((1, 1, 17, 23, 3), torch.nan)
    registry.get("mse")(info)(y, truth).sum().backward()
    assert torch.equal(y.grad, torch.zeros_like(y.grad))


def test_named_tensors_are_taken_too() -> None:
    info = make_info()
    loss = registry.get("mae")(info)
    y, truth = torch.randn(2, 1, 1, 17, 23, 3)
    names = ["batch", "timestep", "lat", "lon", "features"]
    named = [NamedTensor(x, names, info.predicted) for x in (y, truth)]
    assert torch.equal(loss(*named), loss(y, truth))
    assert not loss.state_dict(), "weights come from the data, not from a checkpoint"


def test_unknown_losses_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown loss 'mes'; did you mean 'mse'"):
        registry.get("mes")


@pytest.mark.parametrize("name", ["mse", "mae"])
def test_cells_that_one_variable_lacks_count_for_none(name: str) -> None:
    # masks of two variables differ, as those of velocities on a staggered grid: a forecast is NaN where either has none
    sea = np.ones((17, 23), dtype=bool)
    sea[3:6, 4:9] = False
    loss = registry.get(name)(make_info(border_size=0, valid=sea))
    truth = torch.randn(2, 1, 17, 23, 3)
    forecast = truth + 1.0
    forecast[:, :, ~torch.from_numpy(sea)] = torch.nan
    assert bool(torch.isfinite(loss(forecast, truth)).all())
    torch.testing.assert_close(loss(forecast, truth), loss(truth + 1.0, truth))
