from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from py4cast.cubes import kept
from py4cast.cubes.kept import KeptCube, block_moments
from py4cast.statistics import merge_moments
from tests.cubes.test_memory import cube


class Counting(KeptCube):
    """A cube in memory whose statistics are kept like those of a file; counts what is read."""

    def __init__(self, holes: bool = False) -> None:
        self.inner, self.reads = cube(holes), list[tuple[int, int]]()
        self.variables, self.axis = self.inner.variables, self.inner.axis

    @property
    def grid(self):
        return self.inner.grid

    @property
    def fingerprint(self) -> str:
        return self.inner.fingerprint

    def read(self, names: Sequence[str], start: int, stop: int, out: np.ndarray) -> None:
        self.reads.append((start, stop))
        self.inner.read(names, start, stop, out)

    def available(self, names: Sequence[str]) -> np.ndarray:
        return self.inner.available(names)


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("block", [1, 2, 6])
def test_statistics_are_those_of_memory_whatever_the_blocks(holes: bool, block: int, monkeypatch) -> None:
    monkeypatch.setattr(kept, "_BLOCK_BYTES", 4 * 20 * block)
    counting, inside = Counting(holes), np.array([True, True, True, False, True, True])
    mine, theirs = counting.statistics(inside), counting.inner.statistics(inside)
    for ours, expected in zip(mine, theirs, strict=True):
        for name in ("a", "b"):
            for key in ("mean", "std", "min", "max", "count"):
                assert ours[name][key] == pytest.approx(expected[name][key], rel=1e-6), (name, key)
    assert np.array_equal(counting.valid_mask(["a", "b"]), counting.inner.valid_mask(["a", "b"]))


def test_a_second_question_reads_nothing() -> None:
    first, second = Counting(), Counting()
    first.statistics(np.ones(6, dtype=bool))
    second.statistics(np.array([True] * 3 + [False] * 3), ["a"])
    second.valid_mask(["b"])
    assert first.reads and not second.reads, "other instants are answered from the same moments"
    assert Counting(holes=True).fingerprint != first.fingerprint


def test_a_pass_that_is_stopped_goes_on(monkeypatch: pytest.MonkeyPatch, own_root: Path) -> None:
    monkeypatch.setattr(kept, "_BLOCK_BYTES", 4 * 20)
    broken = Counting()
    real = broken.inner.read

    def fail(names, start, stop, out):
        if stop > 4:
            raise OSError("the disk is gone")
        real(names, start, stop, out)

    monkeypatch.setattr(broken.inner, "read", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        broken.statistics(np.ones(6, dtype=bool), ["a"])
    again = Counting()
    again.statistics(np.ones(6, dtype=bool), ["a"])
    assert again.reads == [(3, 5), (4, 6)], "what was made is not made again"
    assert not list(own_root.rglob("*.tmp*"))


def test_moments_of_a_block_see_the_plane_before_and_the_starts_of_runs() -> None:
    planes = np.arange(24, dtype=np.float32).reshape(4, 1, 2, 3) ** 2
    before = planes[0] - 7
    fields, steps = block_moments(planes, before, np.array([False, False, True, False]))
    assert fields.shape == steps.shape == (4, 1, 5)
    assert steps[:, 0, 0].tolist() == [6, 6, 0, 6], "counts: none across the start of a run"
    assert merge_moments(steps[:1])[0][1] == pytest.approx(7.0)
    assert block_moments(planes, None, np.zeros(4, dtype=bool))[1][0, 0, 0] == 0
