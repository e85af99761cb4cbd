from pathlib import Path

import pytest
import torch

from py4cast.errors import SettingsError
from py4cast.forecaster import Forecaster
from py4cast.steppers import StepInfo
from py4cast.steppers.eager import step_arrays
from py4cast.testing import make_info
from py4cast.workflows.forecast import room
from py4cast.workflows.forecast.room import available_bytes, bytes_of_member, check_room, memory_as_errors

INFO = make_info((16, 16))


def step_info() -> StepInfo:
    forecaster = Forecaster.build(INFO, "cnn", "ensemble", 2, {"num_filters": 4}, {"num_noise": 3})
    return StepInfo.from_header(forecaster.header(), step_arrays(forecaster))


def test_a_member_takes_its_fields() -> None:
    fields = 2 * len(INFO.prognostic) + len(INFO.forcing) + 4 * len(INFO.predicted)
    assert bytes_of_member(step_info()) == 4 * 16 * 16 * (fields + 3)


def test_more_members_than_memory_are_refused_with_how_many_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    each = bytes_of_member(step_info())
    monkeypatch.setattr(room, "available_bytes", lambda: 10 * each + 1)
    check_room(step_info(), 10)
    with pytest.raises(SettingsError, match="11 members need at least .* at most 10 fit"):
        check_room(step_info(), 11)
    monkeypatch.setattr(room, "available_bytes", lambda: None)
    check_room(step_info(), 10**9)


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="Linux tells it")
def test_the_system_tells_what_is_free() -> None:
    assert available_bytes() > 2**20


def test_a_network_without_memory_is_one_line() -> None:
    with (
        pytest.raises(SettingsError, match="8 members: out of memory; fewer fit, --num_members 4"),
        memory_as_errors(8),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
    with pytest.raises(SettingsError, match="out of memory"), memory_as_errors(1):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")
    with pytest.raises(RuntimeError, match="another"), memory_as_errors(8):
        raise RuntimeError("another fault")
