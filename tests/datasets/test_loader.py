import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from py4cast.batch import ItemBatch
from py4cast.datasets import DatasetABC
from py4cast.datasets.loader import Loader, LoaderSettings
from py4cast.namedtensor import NamedTensor


class Numbers:
    """Samples that are their own index."""

    def __init__(self, count: int, fail_at: int | None = None) -> None:
        self.count, self.fail_at = count, fail_at

    def __len__(self) -> int:
        return self.count

    def read_batch(self, indices: Sequence[int]) -> ItemBatch:
        if self.fail_at in indices:
            raise OSError("the disk is gone")
        values = torch.tensor(list(indices), dtype=torch.float32).reshape(-1, 1, 1)
        return ItemBatch(inputs=NamedTensor(values, ["batch", "timestep", "features"], ["i"]))


def seen(loader: Loader) -> list[int]:
    return [int(i) for batch in loader for i in batch.inputs.tensor.flatten()]


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_every_sample_once_in_order(threads: int) -> None:
    loader = Loader(Numbers(10), LoaderSettings(batch_size=3, num_threads=threads))
    assert seen(loader) == list(range(10)) and len(loader) == 4


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_order_is_a_function_of_seed_and_epoch(threads: int) -> None:
    def make(seed: int) -> Loader:
        return Loader(Numbers(20), LoaderSettings(batch_size=3, shuffle=True, seed=seed, num_threads=threads))

    one, two = make(1), make(1)
    epochs = [seen(one) for _ in range(3)]
    assert epochs == [seen(two) for _ in range(3)] and all(sorted(e) == list(range(20)) for e in epochs)
    assert epochs[0] != epochs[1] and seen(make(2)) != epochs[0]


def test_goes_on_from_any_position() -> None:
    settings = LoaderSettings(batch_size=3, shuffle=True)
    whole = [seen(Loader(Numbers(20), settings, position=lambda e=e: (e, 0))) for e in range(2)]
    for epoch in range(2):
        for done in range(7):
            rest = seen(Loader(Numbers(20), settings, position=lambda e=epoch, d=done: (e, d)))
            assert rest == whole[epoch][3 * done :]


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_share_without_repetition(ranks: int) -> None:
    settings = LoaderSettings(batch_size=4)
    parts = [seen(Loader(Numbers(21), settings, rank, ranks)) for rank in range(ranks)]
    assert sorted(sum(parts, [])) == list(range(21)), "validation pads nothing"
    shuffled = LoaderSettings(batch_size=4, shuffle=True)
    loaders = [Loader(Numbers(21), shuffled, rank, ranks) for rank in range(ranks)]
    assert len({len(loader) for loader in loaders}) == 1, "all ranks do equal steps"
    drawn = sum((seen(loader) for loader in loaders), [])
    assert len(drawn) == len(set(drawn))


def test_errors_of_a_thread_reach_the_reader() -> None:
    with pytest.raises(OSError, match="the disk is gone"):
        seen(Loader(Numbers(10, fail_at=7), LoaderSettings(batch_size=2)))


def test_leaving_early_stops_the_threads() -> None:
    before = set(threading.enumerate())
    for _ in Loader(Numbers(1000), LoaderSettings(num_threads=2)):
        break
    deadline = time.monotonic() + 5
    # those of other tests may end meanwhile
    while (left := set(threading.enumerate()) - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left


def test_waiting_is_measured() -> None:
    class Slow(Numbers):
        def read_batch(self, indices: Sequence[int]) -> ItemBatch:
            time.sleep(0.02)
            return super().read_batch(indices)

    loader = Loader(Slow(10), LoaderSettings())
    seen(loader)
    assert loader.waited_s > 0.1


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        LoaderSettings(batch_size=0)
    assert np.concatenate(Loader(Numbers(5), LoaderSettings(batch_size=2)).batches(3)).tolist() == [0, 1, 2, 3, 4]


def test_samples_come_in_blocks_where_memory_cannot_hold_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import py4cast.cubes.store.layout as layout
    from py4cast.cubes.store.store import PreparedStore
    from py4cast.datasets import get_datasets
    from tests.weather_files import describe, wave_fields, write_json, write_netcdf

    monkeypatch.setattr(layout, "_MAX_BLOCK", 6)
    write_netcdf(tmp_path / "in" / "a.nc", {"t": wave_fields(240)})
    spans = {
        "train": ("2020-01-01", "2020-01-08"),
        "valid": ("2020-01-09", "2020-01-09"),
        "test": ("2020-01-10", "2020-01-10"),
    }
    periods = {s: {"start": a, "end": b} for s, (a, b) in spans.items()}
    path = write_json(tmp_path / "d.json", describe(tmp_path / "in", periods=periods))
    free = get_datasets("gridded", 1, 1, 1, path)[0]
    assert free.sample_blocks is None
    monkeypatch.setattr(PreparedStore, "_fits_memory", lambda self: False)
    data = get_datasets("gridded", 1, 1, 1, path)[0]
    loader = Loader(data, LoaderSettings(batch_size=6, shuffle=True, seed=3))
    first, again, second = (np.concatenate(loader.batches(e)) for e in (0, 0, 1))
    assert sorted(first) == list(range(len(data))) and (first == again).all() and (first != second).any()
    blocks = data.sample_blocks[first]
    for at in range(0, len(first), 24):
        assert len(set(blocks[at : at + 24])) <= 8, "few stretches of the disk at a time"
    assert (np.diff(first) != 1).mean() > 0.5, "and mixed within them"
    for batch, other in zip(loader, Loader(free, LoaderSettings(batch_size=6)), strict=False):
        np.testing.assert_array_equal(
            batch.inputs.tensor[0], free[list(free.init_times).index(batch.init_time[0])].inputs.tensor
        )
        assert other.batch_size == 6
        break


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
def test_a_pinned_batch_is_filled_in_place(small: tuple[DatasetABC, ...]) -> None:
    batch = next(iter(Loader(small[0], LoaderSettings(batch_size=4, pin_memory=True))))
    assert all(field.tensor.is_pinned() for field in batch.fields.values())


def test_nothing_is_copied_on_the_way_to_a_batch(
    small: tuple[DatasetABC, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every field is a view of a buffer that was made once, pinned where asked."""
    asked: list[bool] = []
    empty = torch.empty

    def record(*sizes: object, pin_memory: bool = False) -> torch.Tensor:
        # a thread of a loader that another test left may still finish its batch
        if threading.current_thread() is threading.main_thread():
            asked.append(pin_memory)
        return empty(*sizes)

    monkeypatch.setattr(torch, "empty", record)
    buffers = {"cat": torch.cat, "stack": torch.stack}
    for name in buffers:
        monkeypatch.setattr(torch, name, None)
    batch = next(iter(Loader(small[0], LoaderSettings(batch_size=4, pin_memory=True, num_threads=0))))
    assert batch.outputs.feature_names == small[0].info.predicted and asked and all(asked)
