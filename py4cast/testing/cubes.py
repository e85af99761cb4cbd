"""Checks of cubes and filters: where planes lie, and what is made of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from py4cast.cubes.base import CubeABC
from py4cast.planes.filters import registry as filters
from py4cast.settings import decode

__all__ = ["check_cube", "check_filter"]


def check_cube(cube: CubeABC) -> None:
    """Planes are read alike one by one, together and by window; statistics and masks are those of the planes."""
    what, names, count = type(cube).__name__, cube.names, min(3, cube.axis.size)
    assert cube.shape == cube.grid.shape and names, f"{what}: shape {cube.shape}, grid {cube.grid.shape}, names {names}"
    assert cube.axis.size == cube.times.size == len(cube.available(names)), f"{what}: instants"
    whole = np.empty((len(names), count, *cube.shape), dtype=np.float32)
    cube.read(names, 0, count, whole)
    for row, name in enumerate(names):
        one = np.empty((1, 1, *cube.shape), dtype=np.float32)
        cube.read([name], count - 1, count, one)
        assert np.array_equal(one[0, 0], whole[row, count - 1], equal_nan=True), f"{what}: {name} read alone differs"
        assert cube.variable(name).name == name, f"{what}: variable {name}"
    rows, columns = (slice(n // 3, n // 3 + max(1, n // 2)) for n in cube.shape)
    part = np.empty((len(names), count, *whole[0, 0, rows, columns].shape), dtype=np.float32)
    cube.read_window(names, 0, count, rows, columns, part)
    assert np.array_equal(part, whole[:, :, rows, columns], equal_nan=True), f"{what}: a window differs"
    assert cube.fingerprint == cube.fingerprint and cube.fingerprint, f"{what}: fingerprint"
    _check_statistics(what, cube)


def _check_statistics(what: str, cube: CubeABC) -> None:
    planes = np.empty((len(cube.names), cube.axis.size, *cube.shape), dtype=np.float32)
    cube.read(cube.names, 0, cube.axis.size, planes)
    stats, _ = cube.statistics(np.ones(cube.axis.size, dtype=bool))
    for name, field in zip(cube.names, planes.astype(np.float64), strict=True):
        known = field[np.isfinite(field)]
        mean, std = stats[name]["mean"], stats[name]["std"]
        scale = max(float(known.std()), 1e-6 * float(np.abs(known).max()), 1e-12)
        assert abs(mean - known.mean()) < 1e-3 * scale, (
            f"{what}: mean of {name} is {mean}, of its planes {known.mean()}"
        )
        assert abs(std - known.std()) < 1e-2 * scale, (
            f"{what}: deviation of {name} is {std}, of its planes {known.std()}"
        )
        mask = np.isfinite(field).any(axis=0)
        assert np.array_equal(cube.valid_mask([name]), mask), f"{what}: valid cells of {name}"


def check_filter(name: str, settings: Mapping[str, Any], level: float | None = 850.0) -> None:
    """The filter makes a finite plane of planes, the same each time, and of parts of planes parts of it.

    Args:
        name: as registered.
        settings: of it, with a variable for each argument.
        level: pressure level of what is made [hPa].
    """
    kind = filters.get(name)
    made = kind(decode(kind.settings_kls, dict(settings), where=name), level)
    given = [a for a in kind.arguments if getattr(made.settings, a) is not None]
    assert given, f"{name}: none of its arguments {kind.arguments} is given"
    rng, count = np.random.default_rng(0), len(made.offsets)
    shape = (count, 4, 5) if count > 1 else (4, 5)
    planes = {a: (1 + rng.random(shape)).astype(np.float32) for a in given}
    before = {a: p.copy() for a, p in planes.items()}
    result = np.asarray(made.apply(planes))
    assert result.shape == (4, 5), f"{name}: gives {result.shape} of planes (4, 5)"
    assert np.array_equal(result, made.apply(planes), equal_nan=True), f"{name}: two results differ"
    assert all(np.array_equal(planes[a], before[a]) for a in given), f"{name}: changes what it is given"
    part = np.asarray(made.apply({a: p[..., :2, :] for a, p in planes.items()}))
    assert np.allclose(part, result[:2], equal_nan=True), f"{name}: a cell depends on its neighbours"
