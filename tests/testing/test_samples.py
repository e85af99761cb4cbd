"""What checks run on: shapes, names and statistics; settings that do not round trip."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from py4cast.settings import Settings, setting
from py4cast.testing.samples import check_settings, make_batch, make_info


def test_info_is_of_two_states_a_diagnostic_and_two_forcings() -> None:
    info = make_info((6, 7), border_size=2)
    assert (info.prognostic, info.predicted, info.forcing) == (["a", "b"], ["a", "b", "d"], ["f", "g"])
    assert info.grid.shape == (6, 7) and float(info.statics.border_mask.sum()) == 6 * 7 - 2 * 3
    assert make_info(diagnostic=False).predicted == ["a", "b"]
    valid = np.ones((17, 23), dtype=bool)
    valid[3, 4] = False
    assert np.argwhere(~make_info(valid=valid).statics.valid_mask.squeeze().numpy()).tolist() == [[3, 4]]


def test_fields_have_the_mean_and_deviation_of_the_statistics() -> None:
    info = make_info((40, 50))
    batch = make_batch(info, 3, 2, 4)
    assert {k: tuple(v.shape) for k, v in batch.fields.items()} == {
        "inputs": (3, 2, 40, 50, 2), "outputs": (3, 4, 40, 50, 3), "forcing": (3, 4, 40, 50, 2)
    }  # fmt: skip
    for field in batch.fields.values():
        for name in field.feature_names:
            values = field[name]
            assert float(values.mean()) == pytest.approx(info.stats[name]["mean"], abs=0.1)
            assert float(values.std()) == pytest.approx(info.stats[name]["std"], rel=0.02)
    assert np.unique(np.diff(batch.init_time)).tolist() == [np.timedelta64(3600, "s")]


def test_a_seed_gives_the_same_batch_and_another_one_another() -> None:
    info = make_info((4, 5))
    first, again, other = (make_batch(info, seed=seed).inputs.tensor for seed in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Good(Settings):
    """Good ones."""

    width: int = setting(3, "how wide")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unhelped(Settings):
    """A setting without help."""

    width: int = setting(3, "")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unlike(Settings):
    """Never equal to another."""

    width: int = setting(3, "how wide")


def kind_of(settings: type[Settings]) -> type:
    return type("Kind", (SimpleNamespace,), {"settings_kls": settings})


def test_settings_round_trip_and_have_help() -> None:
    check_settings(kind_of(Good))
    with pytest.raises(AssertionError, match="Kind: a setting has no line of help"):
        check_settings(kind_of(Unhelped))
    with pytest.raises(AssertionError, match="Kind: settings do not round trip"):
        check_settings(kind_of(Unlike))
