"""What --precision auto means."""

import logging

import pytest
import torch

from py4cast.models.halfunet import HalfUNet
from py4cast.workflows.config import build_config
from py4cast.workflows.train.precision import auto_precision
from py4cast.workflows.train.trainer import _precision


def a_card(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")


def test_a_processor_keeps_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert build_config({}, []).train.precision == "auto"
    assert _precision("auto", "halfunet") == "32"


def test_a_card_takes_bfloat16_where_the_network_keeps_its_skill(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    a_card(monkeypatch, (9, 0))
    monkeypatch.setattr(HalfUNet, "keeps_skill_in_bf16", True)
    assert _precision("auto", "halfunet") == "bf16-mixed"
    assert auto_precision("halfunet", "cpu") == "32", "the card is not asked for"
    assert [_precision(p, "halfunet") for p in ("32", "16-mixed", "bf16-mixed")] == ["32", "16-mixed", "bf16-mixed"]
    monkeypatch.setattr(HalfUNet, "keeps_skill_in_bf16", False)
    with caplog.at_level(logging.INFO):
        assert _precision("auto", "halfunet") == "32"
    assert "float32 is used, since halfunet was not shown to keep its skill in bfloat16" in caplog.text


def test_an_older_card_has_none_and_says_so(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    a_card(monkeypatch, (7, 5))
    monkeypatch.setattr(HalfUNet, "keeps_skill_in_bf16", True)
    with caplog.at_level(logging.INFO):
        assert auto_precision("halfunet") == "32"
    assert caplog.text.count("\n") == 1 and "a card has no bfloat16; float32 is used" in caplog.text
