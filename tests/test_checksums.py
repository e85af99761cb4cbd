import pytest
import torch

from py4cast.checksums import KEY, changed_parts, checksums_of

CHECKPOINT = {"state_dict": {"w": torch.arange(4.0), "e": torch.zeros(0)}, "rates": [0.1, -0.0], "n": 3, "name": "ä"}


def sealed() -> dict:
    copy = {**CHECKPOINT, "state_dict": {k: v.clone() for k, v in CHECKPOINT["state_dict"].items()}}
    return {**copy, KEY: checksums_of(copy)}


def test_what_is_as_it_was_is_whole() -> None:
    assert changed_parts(sealed()) == [] and changed_parts(dict(CHECKPOINT)) == [], "an older one holds none"
    assert checksums_of(sealed()) == checksums_of(CHECKPOINT), "they are not of themselves"


def test_a_tensor_is_named_by_its_place() -> None:
    changed = sealed()
    changed["state_dict"]["w"][2] += 1e-6
    assert changed_parts(changed) == [".s:state_dict.s:w"]


@pytest.mark.parametrize(
    ("key", "value"), [("n", 4), ("name", "a"), ("rates", [0.1, 0.0]), ("rates", (0.1,)), ("n", "3")]
)
def test_other_values_are_told_together(key: str, value: object) -> None:
    assert changed_parts({**sealed(), key: value}) == ["other values"]


def test_kind_and_shape_count() -> None:
    for tensor in (torch.arange(4), torch.arange(4.0).reshape(2, 2), torch.arange(4.0).double()):
        changed = sealed()
        changed["state_dict"]["w"] = tensor
        assert changed_parts(changed) == [".s:state_dict.s:w"]


def test_damaged_checksums_are_told() -> None:
    whole = sealed()
    assert changed_parts({**whole, KEY: 3}) == [KEY]
    assert changed_parts({"py4cast_checkrums": whole.pop(KEY), **whole}) == ["py4cast_checkrums"]
