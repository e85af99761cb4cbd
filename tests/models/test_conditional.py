import pytest
import torch
from torch import nn

from py4cast.errors import SettingsError
from py4cast.grid import Grid
from py4cast.models import GridModel, build_network, registry
from py4cast.models.conditional import ConditionalLayerNorm
from py4cast.settings import Settings
from py4cast.testing import make_info

INFO = make_info((6, 8))


class Steered(GridModel):
    """A pointwise network that a vector steers."""

    settings_kls = Settings
    conditioned = True

    def __init__(self, num_input_features, num_output_features, settings, num_conditions):
        super().__init__()
        self.first, self.last = nn.Linear(num_input_features, 5), nn.Linear(5, num_output_features)
        self.norm = ConditionalLayerNorm(5, num_conditions)

    def forward(self, x, condition):
        return self.last(self.norm(self.first(x), condition))


@pytest.fixture
def steered():
    from dataclasses import dataclass

    @dataclass(frozen=True, slots=True, kw_only=True)
    class SteeredSettings(Settings):
        """None."""

    Steered.settings_kls = SteeredSettings
    registry.register("steered", Steered)
    yield
    registry.unregister("steered")


def test_at_the_start_it_is_a_layer_norm_and_its_checkpoint() -> None:
    plain, norm = nn.LayerNorm(6), ConditionalLayerNorm(6, 3)
    with torch.no_grad():
        plain.weight.normal_()
        plain.bias.normal_()
    lacking = norm.load_state_dict(plain.state_dict(), strict=False)
    assert lacking.unexpected_keys == [] and all(k.startswith("embedding") for k in lacking.missing_keys)
    x = torch.randn(2, 4, 5, 6)
    assert torch.equal(norm(x, torch.randn(2, 3)), plain(x))


def test_scale_and_shift_are_of_the_sample() -> None:
    norm = ConditionalLayerNorm(4, 2)
    with torch.no_grad():
        norm.embedding[2].bias.copy_(torch.tensor([1.0] * 4 + [3.0] * 4))
    x = torch.randn(3, 7, 4)
    torch.testing.assert_close(norm(x, torch.zeros(3, 2)), 2 * nn.functional.layer_norm(x, (4,)) + 3)


@pytest.mark.parametrize("use_checkpoint", [False, True])
def test_a_condition_reaches_the_network(steered, use_checkpoint: bool) -> None:
    network, _ = build_network(
        "steered", 5, 3, {}, INFO.grid, INFO.statics, use_checkpoint=use_checkpoint, num_conditions=2
    )
    with torch.no_grad():
        network.model.norm.embedding[2].weight.normal_()
    x = torch.randn(2, 6, 8, 5, requires_grad=True)
    first, other = (network(x, condition=torch.full((2, 2), v)) for v in (0.5, -0.5))
    assert first.shape == (2, 6, 8, 3) and float((first - other).detach().abs().max()) > 1e-3
    first.sum().backward()
    assert network.model.norm.embedding[0].weight.grad is not None


def test_a_network_that_takes_none_is_refused_by_name(steered) -> None:
    with pytest.raises(SettingsError, match=r"model 'unet' takes no condition, .* models that do: .*steered"):
        build_network("unet", 5, 3, {}, INFO.grid, INFO.statics, num_conditions=2)


def test_an_image_network_takes_no_points() -> None:
    points = Grid.points([10, 20, 30], [0, 5, 9], areas=[1, 1, 1])
    with pytest.raises(SettingsError, match=r"model 'unet' takes no grid of points; models that do: .*zero"):
        build_network("unet", 5, 3, {}, points, INFO.statics)


@pytest.mark.parametrize(
    ("name", "settings"), [("cnn", {"num_filters": 8}), ("halfunet", {"num_filters": 8, "norm": "group"})]
)
def test_a_vector_steers_the_networks_that_take_one_and_at_the_start_changes_nothing(name: str, settings: dict) -> None:
    torch.manual_seed(0)
    plain, _ = build_network(name, 5, 2, settings, INFO.grid, INFO.statics)
    steered, _ = build_network(name, 5, 2, settings, INFO.grid, INFO.statics, num_conditions=3)
    lacking = steered.load_state_dict(plain.state_dict(), strict=False)
    assert lacking.unexpected_keys == [] and all(".scales." in key for key in lacking.missing_keys)
    x, condition = torch.randn(2, 6, 8, 5), torch.randn(2, 3)
    torch.testing.assert_close(steered(x, condition=condition), plain(x))
    for scale in steered.model.scales:
        nn.init.normal_(scale.embedding[-1].weight)
    assert not torch.allclose(steered(x, condition=condition), steered(x, condition=condition + 1))
    with pytest.raises(ValueError, match="called without a condition"):
        steered(x)
