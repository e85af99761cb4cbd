"""Where the difference of two ensembles is more than chance."""

import numpy as np

from py4cast.observers.difference import stands_out

RNG = np.random.default_rng(0)


def test_few_cells_stand_out_where_nothing_differs() -> None:
    first, second = RNG.normal(size=(2, 12, 60, 60))
    marks = stands_out(first, second)
    assert marks is not None and marks.mean() < 0.01


def test_what_differs_by_three_deviations_stands_out() -> None:
    first, second = RNG.normal(size=(10, 40, 40)), RNG.normal(size=(14, 40, 40))
    first[:, :, 20:] += 3
    marks = stands_out(first, second)
    assert marks[:, 20:].mean() > 0.99 and marks[:, :20].mean() < 0.12, "a tenth of all that are marked, at most"


def test_an_analysis_beside_an_ensemble_is_judged_as_one_more_member() -> None:
    members, truth = RNG.normal(size=(20, 50, 50)), RNG.normal(size=(1, 50, 50))
    assert stands_out(members, truth).mean() < 0.01 and stands_out(truth, members).mean() < 0.01
    assert stands_out(members, truth + 8).mean() > 0.99


def test_single_fields_have_no_chance_to_tell_from() -> None:
    assert stands_out(np.zeros((1, 4, 4)), np.ones((1, 4, 4))) is None


def test_cells_that_are_missing_do_not_stand_out() -> None:
    first, second = RNG.normal(size=(2, 12, 10, 10))
    first[:, 0], second[:, 0] = np.nan, 3
    first[:, 1] = second[:, 1] = 1.0
    marks = stands_out(first + 5, second)
    assert not marks[0].any()
