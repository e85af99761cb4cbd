import pytest
import torch

from py4cast.errors import SpaceError
from py4cast.forecaster import Forecaster
from py4cast.models import registry
from py4cast.workflows.config import TrainSettings
from py4cast.workflows.train.limits import is_out_of_memory, out_of_memory
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
    from py4cast.workflows.config import build_config

    document = {
        "model": {"name": name, "settings": {}},
        "train": {"epochs": 1, "limit_train_batches": 2, "no_log": True, "deterministic": True, "batch_size": 1, "plots": []},
    }  # fmt: skip
    sizes = ["dataset.size=32", "dataset.num_train=10", "dataset.num_valid=8", "dataset.num_test=8", "dataset.border_size=2"]  # fmt: skip
    folder = train(build_config(document, sizes), run_name="deterministic")
    assert (folder / "scores.json").exists()
    assert not torch.are_deterministic_algorithms_enabled(), "it is as before"
