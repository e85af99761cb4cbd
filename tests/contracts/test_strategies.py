import pytest

from py4cast.datasets import get_datasets
from py4cast.strategies import registry
from py4cast.testing import check_settings, check_strategy

# these step the state of their physics, so that random fields will not do
PHYSICAL = ["hybrid"]
FREE = [n for n in registry.builtin_names if n not in PHYSICAL]
# as few members and calls of the network as there can be
FEW = {
    "ensemble": {"num_members": 2, "num_members_val": 2, "num_noise": 2},
    "diffusion": {"num_steps": 2, "num_members_val": 2},
    "graph_efm": {"num_members_val": 2, "num_latent": 2},
    "flow_matching": {"num_steps": 1, "num_members_val": 2},
}


@pytest.mark.parametrize("name", FREE)
@pytest.mark.parametrize("num_input_steps", [1, 2])
def test_every_strategy_keeps_the_contract(name: str, num_input_steps: int) -> None:
    check_settings(registry.get(name))
    check_strategy(name, num_input_steps=num_input_steps)


@pytest.mark.parametrize("num_input_steps", [1, 2])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"training": "offline", "derived": ["stream_function"]},
        {"training": "increments", "coupling": "correction"},
        {"coupling": "replacement", "term": "drag", "num_substeps": 2, "physics_settings": {"closure": "leith"}},
    ],
)
def test_hybrids_keep_the_contract(settings: dict, num_input_steps: int) -> None:
    check_settings(registry.get("hybrid"))
    check_strategy("hybrid", settings, num_input_steps, get_datasets("qg", num_input_steps, 3, 3, None, TINY)[0])


TINY = ["fine=32", "coarse=16", "step=0.02", "spinup=2", "num_train=8", "num_valid=6", "num_test=6"]


def test_inter_steps_keep_the_contract() -> None:
    check_strategy("scaled_ar", {"num_inter_steps": 3}, num_input_steps=1)
    check_strategy("scaled_ar", {"force_border": False})
    check_strategy("hybrid", {"num_inter_steps": 3}, 1, get_datasets("qg", 1, 3, 3, None, TINY)[0])
