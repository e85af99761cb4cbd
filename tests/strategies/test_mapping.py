from dataclasses import replace

import pytest
import torch
from torch import Tensor

from py4cast.errors import SettingsError
from py4cast.strategies.mapping import Mapping, MappingSettings
from py4cast.testing import make_info

CELLS = (4, 5)
INFO = make_info(CELLS)
# one variable of mean 1 and deviation 2; what is observed, f and g, has 4, 5 and 5, 6
ONE = replace(INFO, variables=[v for v in INFO.variables if v.name not in ("b", "d")])


def output(x: Tensor) -> Tensor:
    return torch.full((*x.shape[:-1], 1), 0.25)


def test_the_network_sees_what_is_observed_and_where() -> None:
    strategy = Mapping(MappingSettings(), INFO)
    forcing = torch.randn(2, *CELLS, 2)
    forcing[0, 1, 2, 0] = torch.nan
    filled = strategy.fill_forcing(forcing)
    assert torch.equal(filled[..., :2], forcing.nan_to_num(0.0)) and filled[0, 1, 2].tolist()[2:] == [0.0, 1.0]
    assert float(filled[..., 2:].sum()) == forcing.numel() - 1
    x = strategy.assemble(torch.zeros(2, 3, *CELLS, 2), filled)
    assert x.shape[-1] == strategy.num_input_features(INFO, 3) == 2 + 2 * 2, "statics, values, masks and no past"
    y = strategy.advance(lambda x: 2 * x, x, torch.zeros(0))
    assert torch.equal(y, 2 * x), "without a first guess the field is the network's"


def first_guess(*observed: float) -> float:
    """Of a cell where f and g are observed so [their units], standardised by them, NaN where they are not."""
    strategy = Mapping(MappingSettings(has_first_guess=True), ONE)
    stats = [ONE.stats[n] for n in ("f", "g")]
    values = torch.tensor([(v - s["mean"]) / s["std"] for v, s in zip(observed, stats, strict=True)])
    window = torch.zeros(1, 1, *CELLS, 1)
    (y,) = strategy.rollout(output, window, values.expand(1, 1, *CELLS, 2), 1)
    assert y.shape == (1, *CELLS, 1) and bool((y == y[0, 0, 0, 0]).all())
    return float(y[0, 0, 0, 0]) - 0.25


def test_a_first_guess_is_the_mean_of_what_is_known_in_units_of_the_target() -> None:
    nan = float("nan")
    assert first_guess(5.0, 9.0) == pytest.approx((7.0 - 1) / 2, rel=1e-5)
    assert first_guess(5.0, nan) == pytest.approx((5.0 - 1) / 2, rel=1e-5)
    assert first_guess(nan, -3.0) == pytest.approx((-3.0 - 1) / 2, rel=1e-5)
    assert first_guess(nan, nan) == 0.0, "the target's mean"


def test_what_does_not_fit_is_refused() -> None:
    bare = replace(INFO, variables=[v for v in INFO.variables if v.is_predicted])
    with pytest.raises(SettingsError, match="mapping needs forcings, which are what is observed: the dataset has none"):
        Mapping(MappingSettings(), bare)
    with pytest.raises(SettingsError, match="has_first_guess: of one variable alone; the data have a, b, d"):
        Mapping(MappingSettings(has_first_guess=True), INFO)
