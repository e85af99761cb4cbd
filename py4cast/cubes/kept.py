"""KeptCube: a cube that brings no statistics; they are made in one pass and kept in the cache.

The pass goes block by block; each block's moments are a file, so that a pass that is stopped goes on where it was
and two processes may do it at once.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from py4cast.atomic import atomic_path, check_name
from py4cast.cubes.base import CubeABC, pairs_of
from py4cast.settings import cache_dir, digest
from py4cast.statistics import Stats, merge_moments, moments

__all__ = ["KeptCube", "KeptMoments", "block_moments"]

logger = logging.getLogger(__name__)
_BLOCK_BYTES = 64_000_000


def block_moments(
    planes: NDArray[np.float32], before: NDArray[np.float32] | None, is_first: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Moments of planes and of their differences to the plane before, `(time, variable, 5)` each.

    Args:
        planes: `(time, variable, lat, lon)`.
        before: the planes of the instant before the first, `(variable, lat, lon)`, if any.
        is_first: whether an instant has none before it in its run, `(time,)`.
    """
    count, variables = planes.shape[:2]
    fields = moments(planes.reshape(count * variables, -1))
    steps = np.empty_like(planes)
    np.subtract(planes[1:], planes[:-1], out=steps[1:])
    if before is None:
        steps[0] = np.nan
    else:
        np.subtract(planes[0], before, out=steps[0])
    steps[is_first] = np.nan
    differences = moments(steps.reshape(count * variables, -1))
    return fields.reshape(count, variables, -1), differences.reshape(count, variables, -1)


class KeptMoments:
    """Creates, or finds in the cache, the moments of some variables of a cube.

    Attributes:
        fields: moments of every instant, `(time, variable, 5)`.
        differences: moments of its difference to the instant before, `(time, variable, 5)`; count 0 for none.
        counts: how often each cell holds data, `(variable, lat, lon)`.
    """

    def __init__(self, cube: CubeABC, names: Sequence[str]) -> None:
        self._cube, self._names = cube, list(names)
        folder = cache_dir() / "moments" / check_name(cube.fingerprint[:32], "the fingerprint of a cube")
        # a file may call its variables anything
        parts = [self._variable(folder / digest(name)[:32], name) for name in names]
        self.fields = np.stack([p[0] for p in parts], axis=1)
        self.differences = np.stack([p[1] for p in parts], axis=1)
        self.counts = np.stack([p[2] for p in parts])

    def _variable(self, folder: Path, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        cube = self._cube
        block = max(1, _BLOCK_BYTES // (4 * cube.shape[0] * cube.shape[1]))
        fields, differences, counts = [], [], np.zeros(cube.shape, dtype=np.int64)
        told = False
        for start in range(0, cube.axis.size, block):
            stop = min(start + block, cube.axis.size)
            path = folder / f"{start}-{stop}.npz"
            if not path.exists():
                if not told:
                    logger.info("statistics of %s: one pass over %d instants", name, cube.axis.size)
                    told = True
                self._make(path, name, start, stop)
            with np.load(path) as kept:
                fields.append(kept["fields"])
                differences.append(kept["differences"])
                counts += kept["counts"]
        return np.concatenate(fields), np.concatenate(differences), counts

    def _make(self, path: Path, name: str, start: int, stop: int) -> None:
        lead = 1 if start else 0
        planes = np.empty((1, stop - start + lead, *self._cube.shape), dtype=np.float32)
        self._cube.read([name], start - lead, stop, planes)
        planes_here = planes[0, lead:, None]
        fields, differences = block_moments(
            planes_here, planes[:, 0] if lead else None, self._cube.axis.is_first[start:stop]
        )
        counts = np.isfinite(planes_here[:, 0]).sum(axis=0)
        with atomic_path(path) as temporary, temporary.open("xb") as stream:
            np.savez(stream, fields=fields[:, 0], differences=differences[:, 0], counts=counts)


class KeptCube(CubeABC):
    """Abstract cube whose statistics are made of its planes, once, and kept under its fingerprint."""

    def statistics(self, inside: NDArray[np.bool_], names: Sequence[str] | None = None) -> tuple[Stats, Stats]:
        chosen = list(names or self.names)
        kept = KeptMoments(self, chosen)
        fields = merge_moments(kept.fields[inside])
        differences = merge_moments(kept.differences[pairs_of(self.axis, inside)])
        return Stats.from_moments(chosen, fields), Stats.from_moments(chosen, differences)

    def valid_mask(self, names: Sequence[str]) -> NDArray[np.bool_]:
        return np.asarray((KeptMoments(self, list(names)).counts > 0).all(axis=0))
