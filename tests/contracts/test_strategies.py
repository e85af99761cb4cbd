import pytest

from py4cast.strategies import registry
from py4cast.testing import check_settings, check_strategy


@pytest.mark.parametrize("name", registry.builtin_names)
@pytest.mark.parametrize("num_input_steps", [1, 2])
def test_every_strategy_keeps_the_contract(name: str, num_input_steps: int) -> None:
    check_settings(registry.get(name))
    check_strategy(name, num_input_steps=num_input_steps)


def test_inter_steps_keep_the_contract() -> None:
    check_strategy("scaled_ar", {"num_inter_steps": 3}, num_input_steps=1)
    check_strategy("scaled_ar", {"force_border": False})
