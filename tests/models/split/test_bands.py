"""What bands refuse is told, instead of computed wrongly; a single rank's band is the whole image."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from py4cast.errors import SettingsError
from py4cast.models import registry
from py4cast.models.blocks import Padder
from py4cast.models.split.bands import Bands
from py4cast.models.split.group import ModelGroup
from tests.models.split.networks import network_of

IMAGE = torch.zeros(1, 2, 8, 6)


def refusals() -> dict[str, tuple[Callable[[], torch.Tensor], str]]:
    kernel = torch.zeros(2, 2, 3, 3)
    return {
        "same": (lambda: F.conv2d(IMAGE, kernel, padding="same"), "padding='same' is not known on bands"),
        "shrinks": (lambda: F.conv2d(IMAGE, kernel, padding=2), "does not keep bands of 8 rows"),
        "stride": (lambda: F.conv2d(IMAGE[:, :, :7], kernel, stride=2, padding=1), "does not keep bands of 7 rows"),
        "unfold": (lambda: F.unfold(IMAGE, 3), "unfold of 3 rows, padding 0 does not keep bands"),
        "nearest": (lambda: F.interpolate(IMAGE, (9, 6)), "interpolation by nearest"),
        "bicubic": (lambda: F.interpolate(IMAGE, (16, 6), mode="bicubic"), "interpolation by bicubic"),
        "transposed": (lambda: F.conv_transpose2d(IMAGE, kernel, stride=2), "a transposed convolution that overlaps"),
        "pool": (lambda: F.max_pool2d(IMAGE, 3, 2), "pooling of cells that overlap"),
        "odd_pool": (lambda: F.avg_pool2d(IMAGE[:, :, :7], 2), "pooling of cells that overlap"),
        "batch_norm": (lambda: F.batch_norm(IMAGE, None, None, training=True), "batch_norm looks beyond a cell"),
        "roll": (lambda: torch.roll(IMAGE, 1, 2), "roll looks beyond a cell"),
        "fft": (lambda: torch.fft.rfft2(IMAGE), "rfft2 looks beyond a cell"),
        "adaptive": (lambda: F.adaptive_avg_pool2d(IMAGE, 1), "adaptive_avg_pool2d looks beyond a cell"),
    }


@pytest.mark.parametrize("name", refusals())
def test_what_would_look_beyond_a_band_is_refused(name: str) -> None:
    call, told = refusals()[name]
    with pytest.raises(SettingsError, match=told), Bands(ModelGroup(0, 2)):
        call()


def test_a_band_that_its_neighbour_needs_more_of_is_refused() -> None:
    with pytest.raises(SettingsError, match="a rank has 8 rows of an image of which its neighbour needs 9"):
        Bands(ModelGroup(0, 2)).neighbours(IMAGE, 9, 9)


def test_what_works_on_each_cell_runs_as_it_is() -> None:
    x = torch.randn(1, 2, 8, 6)
    with Bands(ModelGroup(0, 2)):
        results = [F.conv2d(x, torch.ones(2, 2, 1, 1)), F.max_pool2d(x, 2), F.interpolate(x, scale_factor=2), x.relu()]
    expected = [F.conv2d(x, torch.ones(2, 2, 1, 1)), F.max_pool2d(x, 2), F.interpolate(x, scale_factor=2), x.relu()]
    for result, wanted in zip(results, expected, strict=True):
        torch.testing.assert_close(result, wanted)


def test_more_ranks_than_bands_are_refused() -> None:
    padder = Padder((60, 44), 16)
    padder.check_bands(4)
    with pytest.raises(SettingsError, match=r"64 rows \(padded\) are cut into bands of 16 or more, at most 4; 5 ranks"):
        padder.check_bands(5)


@pytest.mark.parametrize("name", ["cnn", "graphlam", "graphlam of points"])
def test_more_ranks_than_rows_are_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="expected a row for each"):
        network_of(name)[0].split(ModelGroup(0, 701))


def test_the_models_that_are_cut_are_named() -> None:
    told = ""
    for _, kind in registry.items():
        if "part" not in {
            attribute for base in kind.__mro__[:-1] for attribute in vars(base) if base.__name__ != "ModelABC"
        }:
            with pytest.raises(SettingsError, match="looks at all cells at once") as caught:
                kind.part(kind.__new__(kind), ModelGroup(0, 2))
            told = str(caught.value)
    for name in ("cnn", "halfunet", "unet", "segformer", "graphlam", "hilam", "hilamparallel"):
        assert name in told
