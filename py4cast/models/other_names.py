"""Names of weights in other packages' networks, and which of them a network here has under which name.

`neural-lam` 0.4 to 0.7: its three graph networks, whose graph and order of features must be laid out as theirs to compute the
same. `mfai` 9: its HalfUNet and UNet; they differ from ours in how a coarse image is interpolated (the corners of images, where ours takes
those of cells), so that they are a beginning and not the same forecast.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from torch import Tensor

from py4cast.errors import DataError
from py4cast.models.graph.weights import from_neural_lam

__all__ = ["Renamed", "from_mfai", "renamed"]

# what training programs put before the names of a network
_WRAPPERS = re.compile(r"^(module\.|model\.|net\.|network\.|_orig_mod\.|(forecaster\.)?predictor\.)+")
_MFAI: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"^encoder(\d+)\.enc\d+(conv|norm)(\d+)\.(.+)$"), lambda m: f"encoders.{int(m[1]) - 1}.{_place(m, 2)}"),
    (re.compile(r"^decoder(\d+)\.dec\d+(conv|norm)(\d+)\.(.+)$"), lambda m: f"decoders.{4 - int(m[1])}.{_place(m, 2)}"),
    (re.compile(r"^(decoder)\.decoder(conv|norm)(\d+)\.(.+)$"), lambda m: f"decoder.{_place(m, 2)}"),
    (re.compile(r"^(bottleneck)\.bottleneck(conv|norm)(\d+)\.(.+)$"), lambda m: f"bottleneck.{_place(m, 2)}"),
    (re.compile(r"^upconv(\d+)\.(.+)$"), lambda m: f"ups.{4 - int(m[1])}.{m[2]}"),
    (re.compile(r"^(outconv|conv)\.(.+)$"), lambda m: f"output.{m[2]}"),
)


class Renamed(NamedTuple):
    """Weights under the names of a network here.

    Args:
        package: that they are of.
        weights: by our name.
    """

    package: str
    weights: dict[str, Tensor]


def _place(match: re.Match[str], kind: int) -> str:
    """Where a convolution or norm of a block stands: its turn, then 0 or 1."""
    return f"{int(match[kind + 1]) - 1}.{int(match[kind] == 'norm')}.{match[kind + 2]}"


def from_mfai(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of a `halfunet` or `unet` here from that of a HalfUNet or UNet of `mfai`; other names stay as they are."""
    renamed_weights = {}
    for name, value in weights.items():
        fitting = (rename(match) for pattern, rename in _MFAI if (match := pattern.match(name)))
        renamed_weights[next(fitting, name)] = value
    return renamed_weights


_PACKAGES: dict[str, Callable[[Mapping[str, Tensor]], dict[str, Tensor]]] = {
    "the same network": dict,
    "neural-lam": from_neural_lam,
    "mfai": from_mfai,
}


def renamed(weights: Mapping[str, Tensor], names: Collection[str], told: str) -> Renamed:
    """Weights of another program under the names that a network here has.

    Args:
        weights: by their names there.
        names: of the network here, whatever stands before them.
        told: where they come from, for errors.

    Raises:
        DataError: they are of another network.
    """
    bare = {_WRAPPERS.sub("", name): name for name in names}
    stripped: dict[str, Tensor] = {}
    for name, value in weights.items():
        if stripped.setdefault(_WRAPPERS.sub("", name), value) is not value:
            raise DataError(
                f"{told}: several networks in one file ({name!r} stands under another beginning too); save one of them alone"
            )
    by_package = {package: rename(stripped) for package, rename in _PACKAGES.items()}
    package = max(by_package, key=lambda p: sum(name in bare for name in by_package[p]))
    chosen = by_package[package]
    others = [
        name for name, value in chosen.items() if name not in bare and value.ndim > 1 and value.is_floating_point()
    ]
    fitting = {bare[name]: value for name, value in chosen.items() if name in bare}
    if not fitting or others:
        example = others[0] if others else next(iter(stripped), "nothing")
        raise DataError(
            f"{told}: weights of another network ({example!r} has no place in this one); expected a Forecaster, or weights of the same network, of "
            f"neural-lam's for graphlam, hilam and hilamparallel, of mfai's HalfUNet for halfunet or its UNet for unet"
        )
    return Renamed(package, fitting)
