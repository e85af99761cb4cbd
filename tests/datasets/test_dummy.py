import numpy as np
import torch

from py4cast.datasets import get_datasets
from tests.conftest import SMALL


def test_is_a_function_of_its_seed() -> None:
    first, again = (get_datasets("dummy", 1, 1, 1, None, SMALL)[0][3] for _ in range(2))
    other = get_datasets("dummy", 1, 1, 1, None, [*SMALL, "seed=1"])[0][3]
    assert torch.equal(first.inputs.tensor, again.inputs.tensor)
    assert not torch.equal(first.inputs.tensor, other.inputs.tensor)


def test_looks_like_an_atmosphere() -> None:
    train, valid, test = get_datasets("dummy", 2, 1, 5)
    info = train.info
    assert info.grid.shape == (64, 64) and (len(train), len(valid), len(test)) == (238, 42, 66)
    stats = info.stats
    assert 5400 < stats["z500"]["mean"] < 5600 and 2 < stats["t2m"]["std"] < 15 and 3 < stats["u10"]["std"] < 25
    assert stats["tp"]["min"] == 0 and info.diff_stats["z500"]["std"] < 0.3, "smooth in time"
    assert train.init_times[-1] < valid.init_times[0] < test.init_times[0]


def test_wind_is_geostrophic() -> None:
    sample = get_datasets("dummy", 1, 1, 1)[0][10]
    info = get_datasets("dummy", 1, 1, 1)[0].info
    dy, _ = info.grid.spacing()
    height, u = sample.inputs["z500"][0, ..., 0].numpy(), sample.inputs["u10"][0, ..., 0].numpy()
    slope = -np.gradient(height, dy, axis=0)  # rows run southward
    geostrophic = 12.0 - 9.80665 / 1e-4 * slope
    error = np.sqrt(np.mean((geostrophic - u)[2:-2] ** 2)) / u.std()
    assert error < 0.05


def test_samples_are_windows_of_one_series(small) -> None:
    train = small[0]
    here, later = train[4], train[5]
    names = train.info.prognostic
    assert torch.equal(here.outputs[names].tensor[0], later.inputs.tensor[-1])
    assert torch.equal(here.inputs.tensor[1], later.inputs.tensor[0])
    assert here.outputs.feature_names == train.info.predicted and here.forcing.feature_names == train.info.forcing


def test_batches_are_permuted_views_of_planes(small) -> None:
    batch = small[0].read_batch([0, 3])
    inputs = batch.inputs.tensor
    assert inputs.shape == (2, 2, 16, 16, 4) and inputs.permute(0, 4, 1, 2, 3).stride()[-1] == 1
    assert torch.equal(inputs[1], small[0][3].inputs.tensor)
