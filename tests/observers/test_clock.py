"""The clock of pictures: what it counts, and what it allows."""

import pytest

from py4cast.observers.clock import PlotClock


class Hands:
    """A time that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    made = Hands()
    monkeypatch.setattr("py4cast.observers.clock.time.perf_counter", made)
    return made


def test_time_runs_from_the_first_start(hands: Hands) -> None:
    clock = PlotClock()
    assert clock.elapsed_s == 0.0 and clock.share == 0.0 and not clock.allows()
    clock.start()
    hands.now += 10.0
    clock.start()
    hands.now += 30.0
    assert clock.elapsed_s == 40.0


def test_what_is_done_within_is_counted_even_where_it_fails(hands: Hands) -> None:
    clock = PlotClock()
    clock.start()
    with clock.counting():
        hands.now += 3.0
    hands.now += 15.0
    with pytest.raises(ZeroDivisionError), clock.counting():
        hands.now += 2.0
        raise ZeroDivisionError
    assert clock.spent_s == 5.0 and clock.share == pytest.approx(5 / 20)


@pytest.mark.parametrize(("elapsed", "is_allowed"), [(39.0, False), (41.0, True)])
def test_the_first_pictures_are_allowed_by_their_guess(hands: Hands, elapsed: float, is_allowed: bool) -> None:
    clock = PlotClock(most=0.1, first_cost=4.0)
    clock.start()
    hands.now += elapsed
    assert clock.allows() == is_allowed


def test_later_ones_are_allowed_by_what_the_last_did_cost(hands: Hands) -> None:
    clock = PlotClock(most=0.1, first_cost=4.0)
    clock.start()
    hands.now += 50.0
    before = clock.spent_s
    with clock.counting():
        hands.now += 1.0
    clock.finish(before)
    assert clock.allows(), "1 s and 1 s of 51 s"
    hands.now -= 32.0
    assert not clock.allows(), "2 s of 19 s"


def test_pictures_that_cost_nothing_are_guessed_to_cost_a_little(hands: Hands) -> None:
    clock = PlotClock(most=0.1, first_cost=4.0)
    clock.start()
    clock.finish(0.0)
    assert not clock.allows(), "in no time there is time for nothing"
    hands.now += 0.011
    assert clock.allows()
