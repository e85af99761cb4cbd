"""Ranks hear of each other; two of them in threads of this process, over a store of its own."""

import os
import time
from pathlib import Path

import pytest
import torch

from py4cast import heartbeat
from py4cast.heartbeat import Heartbeat, RankLost, hint_of, lost_ranks


class Store:
    """A store that all ranks of the test share."""

    values: dict[str, bytes]

    def __init__(self, *words: object, **named: object) -> None: ...

    def set(self, key: str, value: str) -> None:
        self.values[key] = value.encode()

    def check(self, keys: list[str]) -> bool:
        return all(key in self.values for key in keys)

    def get(self, key: str) -> bytes:
        return self.values[key]


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Heartbeat]:
    Store.values = {}
    monkeypatch.setattr(torch.distributed, "TCPStore", Store)
    monkeypatch.setattr(heartbeat, "is_shared", lambda: True)
    monkeypatch.setattr(heartbeat, "_BEAT_S", 0.05)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "1")
    hearts = []
    for rank in range(2):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        hearts.append(Heartbeat(tmp_path / "last.ckpt", 1.0))
        hearts[-1].start()
    return hearts


def test_a_rank_that_goes_on_is_heard_and_one_that_stands_still_is_not(
    two: list[Heartbeat], monkeypatch: pytest.MonkeyPatch
) -> None:
    time.sleep(0.4)
    assert two[0].silent(0.3) == []
    ended: list[str] = []
    monkeypatch.setattr(two[0], "_end", ended.append)
    # as a process that is stopped: it neither beats nor takes its leave
    monkeypatch.setattr(
        Store, "set", lambda self, key, value: self.values.update({key: value.encode()}) if key.endswith("/0") else None
    )
    time.sleep(1.6)
    assert two[0].silent(0.5) == [1]
    assert ended and ended[0].startswith("rank 1 of 2 has not been heard for 1 s: hung, or dead")
    for heart in two:
        heart.stop()


def test_a_rank_that_has_finished_is_not_missed(two: list[Heartbeat], monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []
    monkeypatch.setattr(two[0], "_end", ended.append)
    time.sleep(0.3)
    two[1].stop()
    time.sleep(1.6)
    assert not ended and two[0].silent(0.5) == []
    two[0].stop()


def test_a_connection_that_is_closed_becomes_a_line_with_the_rank(
    two: list[Heartbeat], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for heart in two:
        monkeypatch.setattr(heart, "_end", lambda why: None)
    time.sleep(0.3)
    monkeypatch.setattr(two[0], "silent", lambda after: [1])
    with (
        pytest.raises(RankLost, match="rank 1 of 2 is gone; nothing was saved yet; start it again"),
        lost_ranks(two[0], tmp_path / "last.ckpt"),
    ):
        raise RuntimeError("[gloo/transport/tcp/pair.cc] Connection closed by peer [127.0.0.1]:1234")
    with pytest.raises(RuntimeError, match="another fault"), lost_ranks(two[1], tmp_path / "last.ckpt"):
        raise RuntimeError("another fault")
    two[1].stop()


def test_ranks_that_do_not_meet_are_told_in_one_line(tmp_path: Path) -> None:
    told = r"the ranks did not meet \(failed to recv, got 0 bytes\); nothing was saved yet"
    with (
        pytest.raises(RankLost, match=told),
        lost_ranks(Heartbeat(tmp_path / "last.ckpt", 10.0), tmp_path / "last.ckpt", 2),
    ):
        raise torch.distributed.DistNetworkError("failed to recv, got 0 bytes\nException raised from ...")


def test_alone_it_does_nothing(tmp_path: Path) -> None:
    heart = Heartbeat(tmp_path / "last.ckpt", 10.0)
    heart.start()
    heart.stop()
    assert heart.silent(0.0) == [] and "MASTER_ADDR" not in os.environ
    (tmp_path / "last.ckpt").touch()
    assert hint_of(tmp_path / "last.ckpt").endswith("go on with --resume")
