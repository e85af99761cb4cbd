import numpy as np
import pytest

from py4cast.datasets import get_datasets
from py4cast.errors import SettingsError
from py4cast.testing import check_dataset

SMALL = ["num_train=20", "num_valid=8", "num_test=8", "size=16"]


@pytest.mark.parametrize("system", ["plane", "lorenz96"])
def test_it_keeps_the_contract(system: str) -> None:
    splits = get_datasets("stochastic", 2, 1, 3, overrides=[*SMALL, f"system={system}"])
    assert [len(split) for split in splits] == [18, 4, 4]
    for split in splits:
        check_dataset(split)
    assert splits[0].info.grid.shape == ((16, 16) if system == "plane" else (1, 16))


def test_splits_share_no_state() -> None:
    train, valid, test = get_datasets("stochastic", 1, 1, 1, overrides=SMALL)
    last = np.asarray(train[len(train) - 1].outputs.tensor[-1])
    first = np.asarray(valid[0].inputs.tensor[0])
    assert not np.array_equal(last, first) and np.isfinite(first).all()
    assert len({str(split[0].init_time) for split in (train, valid, test)}) == 3


@pytest.mark.parametrize(
    ("override", "message"),
    [("system=lorentz96", "did you mean 'lorenz96'"), ("size=4", "at least 8"), ("num_test=1", "at least 8")],
)
def test_wrong_settings_are_refused(override: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        get_datasets("stochastic", 1, 1, 1, overrides=[override])
