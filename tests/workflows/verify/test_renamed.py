"""Runs whose files call a variable differently are compared by what it is."""

import logging
from pathlib import Path

import numpy as np
import pytest

from py4cast.errors import DataError
from py4cast.metrics import ScoreSettings
from py4cast.workflows.verify.compare import Compare, compare
from py4cast.workflows.verify.merge import merged
from py4cast.workflows.verify.renamed import in_words_of
from py4cast.workflows.verify.score_files import read_scores
from tests import forecast_files as made
from tests.workflows.verify.test_compare import noisy, scored

OTHER = {"t2m": "2t", "u10": "10u", "v10": "10v"}


def test_the_same_variable_by_another_name_is_compared(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    thresholds = {"t2m": (280.0,), "wind10": (3.0,)}
    renamed = {OTHER.get(n, n): v for n, v in thresholds.items()} | {"10wind": (3.0,)}
    del renamed["wind10"]
    ours = scored(tmp_path / "a", noisy(0.5), scores=ScoreSettings(thresholds=thresholds))
    theirs = scored(
        tmp_path / "b",
        noisy(2.0, 1).rename(OTHER),
        made.analyses().rename(OTHER),
        scores=ScoreSettings(thresholds=renamed),
    )
    same = scored(tmp_path / "c", noisy(2.0, 1), scores=ScoreSettings(thresholds=thresholds))
    sets = [read_scores(path) for path in (ours, theirs, same)]
    by_name, by_kind = merged({"a": sets[0], "b": sets[2]}), merged({"a": sets[0], "b": sets[1]})
    assert by_kind.variables == by_name.variables == [*OTHER, "wind10"]
    for name in ("rmse", "csi", "wind_rmse", "rmse_gain"):
        np.testing.assert_allclose(by_kind.arrays[name].values, by_name.arrays[name].values, rtol=1e-6, err_msg=name)
    with caplog.at_level(logging.WARNING):
        compare(Compare({"a": str(ours), "b": str(theirs)}, variables=("t2m",)), tmp_path / "out")
    assert not caplog.records and (tmp_path / "out" / "case_t2m.png").is_file()


def test_scores_with_the_same_names_stay_as_they_are(tmp_path: Path) -> None:
    ours = read_scores(scored(tmp_path / "a", noisy(0.5)))
    assert in_words_of(ours, ours) is ours
    other = read_scores(
        scored(tmp_path / "b", noisy(0.5)[["u10"]].rename(u10="10u"), made.analyses().rename(u10="10u"))
    )
    assert in_words_of(ours, other).variables[:1] == ["u10"]


def test_other_variables_are_none_in_common(tmp_path: Path) -> None:
    ours = read_scores(scored(tmp_path / "a", noisy(0.5)[["t2m"]]))
    theirs = read_scores(
        scored(tmp_path / "b", noisy(0.5)[["u10"]].rename(u10="10u"), made.analyses().rename(u10="10u"))
    )
    with pytest.raises(DataError, match="no variable in common: a has t2m; b has 10u"):
        merged({"a": ours, "b": theirs})
