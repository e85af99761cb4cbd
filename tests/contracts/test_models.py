import numpy as np
import pytest
import torch
from torch import nn

from py4cast.batch import Statics
from py4cast.errors import SettingsError
from py4cast.grid import Grid
from py4cast.models import NodeModel, build_network, registry
from py4cast.models.base import GriddedNetwork, ModelABC
from py4cast.models.blocks import Padder
from py4cast.namedtensor import NamedTensor
from py4cast.testing import check_model, make_info
from py4cast.testing.models import GRIDS
from tests.asked import Asked

GRAPH = {"hidden_dims": 8, "processor_layers": 2}
SMALL = {
    "halfunet": {"num_filters": 8},
    "unet": {"init_features": 4},
    "segformer": {"dims": [8, 8, 16, 16], "heads": [1, 2, 4, 8], "decoder_dim": 16, "num_downsampling_chans": 8},
    "swinunetr": {"feature_size": 12, "window_size": 4, "depths": [2, 1, 1, 1]},
    "unetrpp": {"hidden_size": 32, "num_heads": 2, "depths": [1, 1, 1, 1], "proj_sizes": [8, 8, 8, 4]},
    "graphlam": GRAPH,
    "hilam": GRAPH,
    "hilamparallel": GRAPH,
    "graphtransformer": GRAPH,
    "transformer": {**GRAPH, "window": 8},
    "cnn": {"num_filters": 8},
    "zero": {},
}
OWN = registry.builtin_names
LEARNS = [n for n in OWN if n != "zero"]


@pytest.mark.slow
@pytest.mark.parametrize("name", OWN)
def test_every_model_keeps_the_contract(name: str) -> None:
    # those of attention take long: one even and one odd grid
    check_model(name, SMALL[name], GRIDS[:2] if name in ("segformer", "swinunetr", "unetrpp") else GRIDS)


@pytest.mark.parametrize("name", LEARNS)
def test_no_network_makes_the_host_wait(name: str) -> None:
    info = make_info()
    network, _ = build_network(name, 5, 3, SMALL[name], info.grid, info.statics)
    x = torch.randn(2, *info.grid.shape, 5)
    network(x)  # what is made once for a grid may look into it
    with Asked() as asked:
        network(x).square().mean().backward()
    assert asked.names == []


@pytest.mark.parametrize(
    "settings",
    [
        {"use_ghost": True, "norm": "none", "num_filters": 7},
        {"dilation": 2, "bias": True, "norm": "group", "num_filters": 8},
    ],
)
def test_halfunet_variants(settings: dict) -> None:
    check_model("halfunet", settings, grids=((17, 23),))


def test_last_activation_bounds_the_output() -> None:
    info = make_info()
    network, _ = build_network(
        "halfunet", 5, 3, {"num_filters": 4, "last_activation": "Sigmoid"}, info.grid, info.statics
    )
    with torch.no_grad():
        y = network(100 * torch.randn(2, 17, 23, 5))
    assert float(y.min()) >= 0 and float(y.max()) <= 1
    with pytest.raises(SettingsError, match="last_activation: expected one of .* did you mean 'Sigmoid'"):
        build_network("halfunet", 5, 3, {"last_activation": "Sigmoyd"}, info.grid, info.statics)


@pytest.mark.parametrize(("name", "settings", "count"), [("halfunet", {}, 418_880), ("unet", {}, 31_047_685)])
def test_parameter_counts_are_the_origins(name: str, settings: dict, count: int) -> None:
    info = make_info()
    network, _ = build_network(name, 20, 5, settings, info.grid, info.statics)
    assert sum(p.numel() for p in network.parameters()) == count


def globe(columns: int = 24) -> Grid:
    return Grid(np.linspace(80, -80, 17), np.arange(columns) * 360 / columns)


@pytest.mark.parametrize("name", LEARNS)
def test_the_globe_has_no_seam(name: str) -> None:
    grid = globe(64)
    statics = Statics.build(grid, NamedTensor(torch.zeros(17, 64, 0), ["lat", "lon", "features"], []))
    network, _ = build_network(name, 2, 1, SMALL[name], grid, statics)
    network.eval()
    x = torch.randn(1, 17, 64, 2)
    with torch.no_grad():
        turned = network(torch.roll(x, 32, dims=2))
        straight = torch.roll(network(x), 32, dims=2)
    # the coarsest scale sees further than the halo, so columns by the old and the new seam agree nearly, not exactly
    error = (turned - straight).square().mean().sqrt() / straight.std()
    assert float(error) < 0.25


@pytest.mark.parametrize("shape", [(16, 16), (17, 23), (5, 7), (33, 49)])
@pytest.mark.parametrize("is_periodic", [False, True])
def test_padding_comes_off(shape: tuple[int, int], is_periodic: bool) -> None:
    if is_periodic:
        shape = (shape[0], shape[1] + 32)
    padder = Padder(shape, 16, (False, is_periodic))
    x = torch.randn(2, 3, *shape)
    padded = padder.pad(x)
    assert padded.shape[-1] % 16 == 0 and padded.shape[-2] % 16 == 0 and min(padded.shape[-2:]) >= 32
    assert torch.equal(padder.crop(padded), x)
    if is_periodic:
        assert torch.equal(padded[..., padder.top : padder.top + shape[0], : padder.left], x[..., -padder.left :])


PADDED = [n for n in OWN if n not in ("cnn", "zero") and "points" not in registry.get(n).grids]


@pytest.mark.parametrize("name", PADDED)
def test_padding_does_not_leak_into_the_interior(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where noise three times as strong as the data is put into the padding, forecasts of the middle stay what they are."""
    info, pad = make_info((150, 150)), Padder.pad
    torch.manual_seed(0)
    network = build_network(name, 5, 3, SMALL[name], info.grid, info.statics)[0].eval()
    x = torch.randn(1, 150, 150, 5)

    def noisy(self: Padder, image: torch.Tensor) -> torch.Tensor:
        noise = 3 * torch.randn(pad(self, image).shape)
        noise[..., self.top : self.top + self.rows, self.left : self.left + self.columns] = 0
        return pad(self, image) + noise

    with torch.no_grad():
        plain = network(x)
        monkeypatch.setattr(Padder, "pad", noisy)
        change = (network(x) - plain).square().mean(-1).sqrt()[0] / plain.std()
    assert float(change[0].mean()) > 0.1, "the noise is there"
    assert float(change[50:100, 50:100].mean()) < 0.1


def test_interiors_are_the_cells_without_padding() -> None:
    padder = Padder((37, 70), 16)
    assert padder.shape == (48, 80) and (padder.top, padder.left) == (5, 5)
    assert padder.interior(1) == (slice(5, 42), slice(5, 75))
    assert padder.interior(4) == (slice(2, 10), slice(2, 18))
    assert padder.interior(16) == (slice(0, 3), slice(1, 4)), "all where there are few"


class Nodes(NodeModel):
    settings_kls = object

    def __init__(self, num_input_features: int, num_output_features: int, settings: object, statics: Statics) -> None:
        super().__init__()
        self.layer = nn.Linear(num_input_features, num_output_features)
        self.points = self.transform_statics(statics).border_mask.shape[0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.ndim == 3 and x.shape[1] == self.points
        return self.layer(x)


def test_node_models_meet_the_grid_in_one_place() -> None:
    info = make_info()
    model = Nodes(5, 3, None, info.statics.copy())
    x = torch.randn(2, 17, 23, 5)
    network = GriddedNetwork(model, (17, 23))
    assert torch.equal(network(x), model.layer(x)) and network.info.output_dim == 2
    assert info.statics.border_mask.shape == (17, 23, 1), "the model had its own copy"


def test_a_transform_that_does_something_else_is_refused() -> None:
    class Odd(ModelABC, nn.Module):
        def transform_statics(self, statics):
            return statics

        def transform_batch(self, batch):
            batch.inputs.flatten_("ngrid", 1, 3)
            return batch

    with pytest.raises(SettingsError, match=r"model Odd: transform_batch gives \['batch', 'ngrid', 'features'\]"):
        GriddedNetwork(Odd(), (4, 4))


@pytest.mark.parametrize("name", LEARNS)
def test_checkpointing_changes_memory_not_results(name: str) -> None:
    info = make_info()
    results = []
    for use_checkpoint in (False, True):
        torch.manual_seed(1)
        network, _ = build_network(name, 5, 3, SMALL[name], info.grid, info.statics, use_checkpoint=use_checkpoint)
        torch.manual_seed(2)
        network(torch.randn(2, 17, 23, 5)).square().mean().backward()
        norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
        results.append(([p.grad.clone() for p in network.parameters()], [m.running_mean.clone() for m in norms]))
    for plain, checkpointed in zip(*results, strict=True):
        for a, b in zip(plain, checkpointed, strict=True):
            assert torch.allclose(a, b, atol=1e-6), "running statistics are counted once"


@pytest.mark.gpu
@pytest.mark.parametrize("name", LEARNS)
def test_an_accelerator_gives_the_results_of_the_cpu(name: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no accelerator")
    info, found = make_info((33, 40)), []
    x = torch.randn(2, 33, 40, 5)
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        network = build_network(name, 5, 3, SMALL[name], info.grid, info.statics)[0].to(device)
        y = network(x.to(device))
        y.square().mean().backward()
        found.append([y.detach().cpu(), *(p.grad.cpu() for p in network.parameters())])
        with torch.autocast(device, torch.bfloat16):
            network(x.to(device)).square().mean().backward()
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-3 * float(ours.abs().max()) + 1e-6)


def test_wrong_settings_name_the_place() -> None:
    info = make_info()
    with pytest.raises(SettingsError, match=r"model\.num_filter: unknown setting; did you mean 'num_filters'"):
        build_network("halfunet", 5, 3, {"num_filter": 3}, info.grid, info.statics)
    with pytest.raises(SettingsError, match="num_filters must be at least 2"):
        build_network("halfunet", 5, 3, {"num_filters": 1}, info.grid, info.statics)
