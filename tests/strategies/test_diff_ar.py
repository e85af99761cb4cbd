import torch

from py4cast.strategies.diff_ar import DiffAR, DiffARSettings
from py4cast.testing import make_info

CELLS = (4, 5)


def test_the_output_is_the_change_of_the_state_and_the_diagnostic_itself() -> None:
    strategy, state = DiffAR(DiffARSettings(), make_info(CELLS)), torch.randn(2, *CELLS, 2)
    y = torch.randn(2, *CELLS, 3)
    later = strategy.advance(lambda x: y, torch.zeros(2, *CELLS, 4), state)
    torch.testing.assert_close(later, torch.cat([state + y[..., :2], y[..., 2:]], -1))


def test_neither_border_nor_inter_steps() -> None:
    strategy = DiffAR(DiffARSettings(), make_info(CELLS))
    assert not strategy.force_border and strategy.num_inter_steps == 1
    window, truth = torch.zeros(1, 1, *CELLS, 2), torch.full((1, *CELLS, 3), 9.0)
    assert (strategy.step(lambda x: torch.ones(1, *CELLS, 3), window, None, truth) == 1.0).all()
