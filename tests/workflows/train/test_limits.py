from pathlib import Path

import pytest
import torch

from py4cast.errors import SettingsError, SpaceError
from py4cast.forecaster import Forecaster
from py4cast.job import Placement
from py4cast.losses import registry as losses
from py4cast.models import registry
from py4cast.testing import make_batch, make_info
from py4cast.workflows.config import TrainSettings, build_config
from py4cast.workflows.train.limits import check_shards, is_out_of_memory, out_of_memory, restored_determinism
from py4cast.workflows.train.run import train
from tests.test_guards import tiny


def test_memory_of_the_machine_and_of_a_card_are_told_apart_from_other_errors() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**52)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory")) and is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shapes differ")) and not is_out_of_memory(ValueError("out of memory"))


@pytest.mark.parametrize(
    ("settings", "ways"),
    [
        ({"num_pred_steps_train": 12}, r"--checkpoint_rollout \(its 12 steps are kept whole\), or --batch_size 2 --accumulate 2"),
        ({"use_checkpoint": True, "accumulate_grad_batches": 3}, "use --batch_size 2 --accumulate 6 instead of 4"),
        ({"batch_size": 1}, "use --precision bf16-mixed, or --checkpoint_rollout"),
        ({"batch_size": 1, "use_checkpoint": True, "precision": "bf16-mixed"}, "use a smaller network or grid"),
    ],
    ids=["rollout", "batch", "precision", "nothing"],
)  # fmt: skip
def test_it_says_what_would_need_less(settings: dict, ways: str) -> None:
    with pytest.raises(SpaceError, match=ways), out_of_memory(TrainSettings(**settings)):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="shapes"), out_of_memory(TrainSettings()):
        raise RuntimeError("shapes differ")


def test_a_training_that_needs_more_than_there_is_ends_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Forecaster, "training_loss", lambda *_: torch.empty(2**52))
    with pytest.raises(
        SpaceError, match=r"out of memory in training \(.*\): use --batch_size 2 --accumulate 2.*estimate"
    ):
        train(tiny(), run_name="large")


@pytest.mark.parametrize("name", [n for n in registry.builtin_names if n != "zero"])
def test_every_network_has_deterministic_steps(name: str) -> None:
    info = make_info((32, 32))
    forecaster, batch = Forecaster.build(info, name, "scaled_ar", 2), make_batch(info)
    with restored_determinism():
        torch.use_deterministic_algorithms(True)
        forecaster.training_loss(batch, losses.get("mse")(info)).mean().backward()
    assert not torch.are_deterministic_algorithms_enabled(), "it is as before"


def test_a_run_may_ask_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, loss = [], Forecaster.training_loss

    def watched(self: Forecaster, *words: object) -> torch.Tensor:
        seen.append(torch.are_deterministic_algorithms_enabled())
        return loss(self, *words)  # type: ignore[arg-type]

    monkeypatch.setattr(Forecaster, "training_loss", watched)
    train(tiny(deterministic=True, limit_train_batches=2), run_name="same")
    assert seen and all(seen) and not torch.are_deterministic_algorithms_enabled()


def test_a_network_that_is_compiled_is_no_other_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **_: compiled.append(type(self).__name__))
    monkeypatch.setenv("PY4CAST_ROOTDIR", str(tmp_path))
    document = {"dataset": {"name": "dummy", "settings": {"size": 16, "num_train": 8, "num_valid": 8, "num_test": 8, "border_size": 2}},
                "model": {"name": "halfunet", "settings": {"num_filters": 2}}, "strategy": {"name": "diff_ar"},
                "train": {"epochs": 1, "compile": True, "no_log": True, "num_pred_steps_val_test": 1}}  # fmt: skip
    folder = train(build_config(document, []), run_name="compiled")
    assert compiled == ["HalfUNet"]
    Forecaster.load(folder / "forecaster.safetensors")


def test_settings_of_torch_are_put_back() -> None:
    before = torch.get_float32_matmul_precision()
    with restored_determinism():
        torch.set_float32_matmul_precision("medium")
        torch.backends.cudnn.benchmark = True
    assert torch.get_float32_matmul_precision() == before and not torch.backends.cudnn.benchmark


def test_what_a_cut_network_does_not_have_is_refused() -> None:
    with pytest.raises(SettingsError, match="--distributed domain: --compile does not know"):
        check_shards(TrainSettings(compile=True), Placement(distributed="domain"))
