"""Checks of losses, metrics and observers: what they accept, and what they refuse by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from py4cast.losses import registry as losses
from py4cast.losses.base import LossABC, LossTerms
from py4cast.metrics import registry as metrics
from py4cast.metrics.base import CellStatisticABC
from py4cast.metrics.case import Case
from py4cast.metrics.deterministic import RMSE
from py4cast.metrics.layout import Layout
from py4cast.namedtensor import NamedTensor
from py4cast.observers import registry as observers
from py4cast.observers.base import ErrorObserver
from py4cast.testing.scores import check_loss, check_metric, check_observer
from tests.testing.registering import registered


class Square(LossABC):
    """The mean square over the cells that are known."""

    def terms(self, prediction: Any, target: Any, mask: Tensor | None = None) -> LossTerms:
        known = target.isfinite()
        error = torch.where(known, prediction - target.nan_to_num(), 0.0)
        return LossTerms(self.of(error).sum((2, 3)), known.float().sum((2, 3)))

    def of(self, error: Tensor) -> Tensor:
        """The loss of a cell."""
        return error.square()


class Short(Square):
    def forward(self, *given: Any, **named: Any) -> Tensor:
        return super().forward(*given, **named).sum(1)


class Endless(Square):
    def of(self, error: Tensor) -> Tensor:
        return error / 0.0


class Upside(Square):
    def of(self, error: Tensor) -> Tensor:
        return 9.0 - error.square()


class Spoiled(Square):
    def terms(self, prediction: Any, target: Any, mask: Tensor | None = None) -> LossTerms:
        error = (prediction - target).square()
        return LossTerms(error.sum((2, 3)), torch.ones_like(error).sum((2, 3)))


class Filled(Square):
    def terms(self, prediction: Any, target: Any, mask: Tensor | None = None) -> LossTerms:
        return super().terms(prediction, target.nan_to_num(), mask)


class Constant(Square):
    def of(self, error: Tensor) -> Tensor:
        return 0.0 * error


class Doubled(Square):
    def forward(self, *given: Any, **named: Any) -> Tensor:
        return 2.0 * super().forward(*given, **named)


class Negative(Square):
    def terms(self, prediction: Any, target: Any, mask: Tensor | None = None) -> LossTerms:
        total, weight = super().terms(prediction, target, mask)
        sign = torch.tensor([1.0, 1.0, -1.0])
        return LossTerms(total * (sign > 0), weight * sign)


def test_a_good_loss_is_accepted() -> None:
    with registered(losses, Square) as name:
        check_loss(name)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Short, r"tried: a loss of shape \(2,\), expected \(batch, timestep\) = \(2, 3\)"),
        (Endless, "tried: not finite"),
        (Upside, "tried: a random forecast costs less than the truth"),
        (Spoiled, "tried: missing truth spoils the gradient"),
        (Filled, "tried: missing truth has a gradient"),
        (Constant, "tried: nothing has a gradient"),
        (Doubled, "tried: forward is not the mean of its terms"),
        (Negative, "tried: a negative weight"),
    ],
)
def test_a_bad_loss_is_refused(kind: type[Square], message: str) -> None:
    with registered(losses, kind) as name, pytest.raises(AssertionError, match=message):
        check_loss(name)


class Named(RMSE):
    """RMSE under another name."""

    name = "tried"

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        return super().value(means)


class Misnamed(RMSE):
    name = "others"


class Odd(Named):
    orientation = "up"  # type: ignore[assignment]


class Mute(Named):
    @classmethod
    def lacking(cls, layout: Layout) -> str:
        return True  # type: ignore[return-value]


class Lacking(Named):
    @classmethod
    def lacking(cls, layout: Layout) -> str:
        return "stations"

    def __init__(self, layout: Layout) -> None:
        raise AssertionError("made without what it lacks")


class Wrong(Named):
    orientation = "high"  # type: ignore[assignment]


class Far(Named):
    orientation = "one"  # type: ignore[assignment]


class Count(CellStatisticABC):
    """How many forecasts it has seen, which parts of a whole do not know."""

    name = "count"
    is_by_feature: ClassVar[bool] = False

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.seen = 0.0

    def cells(self, case: Case) -> Tensor:
        self.seen += 1.0
        return torch.full_like(case.error, self.seen)


class Counting(Named):
    orientation = None  # type: ignore[assignment]

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.statistics = (Count(layout),)

    def value(self, means: Mapping[str, Tensor]) -> Tensor:
        return means["count"]


@pytest.mark.parametrize("kind", [Named, Lacking])
def test_a_good_metric_is_accepted(kind: type[RMSE]) -> None:
    with registered(metrics, kind) as name:
        check_metric(name)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Misnamed, "tried: calls itself 'others'"),
        (Odd, "tried: orientation 'up'"),
        (Mute, "tried: lacking gives True"),
        (Wrong, "tried: an error scores better than the truth"),
        (Far, "tried: an error scores better than the truth"),
        (Counting, "tried: tried of two parts differs from that of the whole"),
    ],
)
def test_a_bad_metric_is_refused(kind: type[RMSE], message: str) -> None:
    with registered(metrics, kind) as name, pytest.raises(AssertionError, match=message):
        check_metric(name)


class Watching(ErrorObserver):
    """Counts what it sees, and writes it down."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, ...]] = []

    def update(self, obj: Any, prediction: NamedTensor, target: NamedTensor) -> None:
        self.seen.append(tuple(prediction.names))

    def on_step_end(self, obj: Any) -> None:
        assert obj.logger is None and obj.model.info.output_dim == 2
        with (obj.plots / "seen.txt").open("a") as file:
            file.write(f"{len(self.seen)} {'member' in self.seen[0]}\n")
        self.seen.clear()


class WatchingMembers(Watching):
    takes_members = True


class Rounding(Watching):
    def update(self, obj: Any, prediction: NamedTensor, target: NamedTensor) -> None:
        prediction.tensor.round_()


@pytest.mark.parametrize(("kind", "is_member"), [(Watching, False), (WatchingMembers, True)])
def test_an_observer_sees_two_epochs_of_two_batches(kind: type[Watching], is_member: bool, tmp_path: Path) -> None:
    with registered(observers, kind) as name:
        check_observer(name, tmp_path)
    assert (tmp_path / "seen.txt").read_text().splitlines() == [f"2 {is_member}"] * 2


def test_an_observer_that_changes_what_it_sees_is_refused(tmp_path: Path) -> None:
    with registered(observers, Rounding) as name, pytest.raises(AssertionError, match="tried: changes what it sees"):
        check_observer(name, tmp_path)
