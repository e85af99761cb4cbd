from dataclasses import replace

import pytest
import torch
from torch import Tensor

from py4cast.dataset_info import DatasetInfo
from py4cast.errors import SettingsError
from py4cast.statistics import Stats
from py4cast.strategies.downscaling import Downscaling, DownscalingSettings
from py4cast.testing import make_info
from py4cast.variables import Variable

CELLS = (4, 5)
INFO = make_info(CELLS)


def with_coarse(*names: str, std: float = 3.0) -> DatasetInfo:
    """Forcings called so, of mean 10, beside f and g."""
    coarse = [Variable(name=n, role="forcing", units="K") for n in names]
    row = {"mean": 10.0, "std": std, "min": 0.0, "max": 1.0, "count": 1.0}
    return replace(INFO, variables=[*INFO.variables, *coarse], stats=INFO.stats | Stats(dict.fromkeys(names, row)))


def output(x: Tensor) -> Tensor:
    return torch.tensor([1.0, 2.0, 3.0]).expand(*x.shape[:-1], 3)


def test_without_a_prefix_the_field_is_the_networks() -> None:
    strategy = Downscaling(DownscalingSettings(), INFO)
    forcing = torch.randn(2, *CELLS, 2)
    x = strategy.assemble(torch.randn(2, 3, *CELLS, 2), forcing)
    assert x.shape[-1] == strategy.num_input_features(INFO, 3) == 2 + 2
    assert torch.equal(x[..., 2:], forcing) and torch.equal(strategy.advance(output, x, forcing), output(x))
    assert strategy.index.numel() == 0


def test_the_coarse_field_is_added_in_the_units_of_its_feature() -> None:
    """Wherever it stands among the forcings: (x̂·3 + 10 − μ)/σ of a, b and d, whose μ, σ are 1, 2; 2, 3; 3, 4."""
    info = with_coarse("lo_d", "lo_a", "lo_b")
    strategy = Downscaling(DownscalingSettings(coarse_prefix="lo_"), info)
    forcing = torch.zeros(2, *CELLS, 5)
    forcing[..., 2], forcing[..., 3], forcing[..., 4] = 0.5, 1.0, -1.0
    y = strategy.advance(output, strategy.assemble(torch.zeros(2, 1, *CELLS, 2), forcing), forcing)
    expected = torch.tensor([1 + (13 - 1) / 2, 2 + (7 - 2) / 3, 3 + (11.5 - 3) / 4])
    torch.testing.assert_close(y, expected.expand(2, *CELLS, 3))


def test_a_field_that_never_changes_is_not_divided() -> None:
    info = with_coarse("lo_a", "lo_b", "lo_d", std=0.0)
    still = info.stats | Stats({"a": {**info.stats["a"], "std": 0.0}})
    strategy = Downscaling(DownscalingSettings(coarse_prefix="lo_"), replace(info, stats=still))
    assert strategy.scale.tolist() == pytest.approx([1.0, 1 / 3, 1 / 4])
    assert strategy.shift.tolist() == pytest.approx([9.0, 8 / 3, 7 / 4])


def test_forcings_that_lack_are_named() -> None:
    with pytest.raises(SettingsError, match="downscaling: no forcing 'lo_d' for 'd'; did you mean 'lo_"):
        Downscaling(DownscalingSettings(coarse_prefix="lo_"), with_coarse("lo_a", "lo_b"))
    bare = replace(INFO, variables=[v for v in INFO.variables if v.is_predicted])
    with pytest.raises(SettingsError, match="downscaling needs forcings: the dataset has none"):
        Downscaling(DownscalingSettings(), bare)
