"""--quiet says warnings and errors alone."""

from pathlib import Path

from tests.command import py4cast
from tests.test_guards import TINY


def test_nothing_but_the_result_is_said(tmp_path: Path) -> None:
    words = [word for setting in TINY for word in ("--set", setting)]
    common = ["train", *words, "--epochs", "1", "--no_log", "--num_pred_steps_val_test", "2", "--run_name"]
    told = py4cast(*common, "told", cwd=tmp_path)
    quiet = py4cast(*common, "quiet", "--quiet", cwd=tmp_path)
    assert told.returncode == quiet.returncode == 0, quiet.stderr
    assert "Forecaster: model halfunet" in told.stderr and quiet.stderr == ""
    assert quiet.stdout.splitlines()[-1].endswith("quiet")
    wrong = py4cast("train", "--modle", "x", "--quiet", cwd=tmp_path)
    assert wrong.returncode == 2 and "did you mean '--model'" in wrong.stderr
    both = py4cast("train", "--quiet", "--verbose", cwd=tmp_path)
    assert both.returncode == 2 and "not allowed with" in both.stderr
