"""sweep: many trainings over a space of settings, judged on the validation period."""

import argparse
import sys
from pathlib import Path

from py4cast.cli.base import GOES_ON, Verb, add_experiment, whole
from py4cast.errors import DataError

__all__ = ["VERB"]

_HELP = """\
examples:
  py4cast sweep config/experiments/sweep_seconds.json
  py4cast sweep my_sweep.json --num_workers 4 --output tuned
  sbatch --array=0-7 --wrap "py4cast sweep my_sweep.json --output tuned"     each task makes its share

The file says what all trainings share (base, or the config of a run), the space (dotted places, or model and strategy, as for --set of train, with a list of
values or a range), how it is searched (grid; each, one setting at a time; random; optuna) and the seeds. Trials are judged by the validation, never by the
test. What has been made is not made again, a killed training goes on. It writes sweep.json, .csv, .md and one page, sweep.html."""


def _arguments(p: argparse.ArgumentParser) -> None:
    """The flags of sweep."""
    add_experiment(p)
    p.add_argument("--num_workers", type=whole, default=1, metavar="N", help="trainings at once, each with its share of the cores (default: 1)")  # fmt: skip
    p.add_argument(
        "--task", metavar="I/N", help="make this share of the trials (default: that of a SLURM array, else all)"
    )


def _run(a: argparse.Namespace) -> None:
    """Trains, and shows the combinations, best first."""
    import json

    from py4cast.workflows.sweep.run import share_of, sweep
    from py4cast.workflows.terminal import Bar, show, table_of

    output = Path(a.output or Path(a.experiment).stem)
    with Bar() as bar:
        combinations = sweep(a.experiment, output, a.overrides, a.num_workers, share_of(a.task), bar)
    places = list(dict.fromkeys(place for c in combinations for place in c["values"]))
    rows = [
        [*(json.dumps(c["values"].get(p)) for p in places), "-" if c["objective"] is None else f"{c['objective']:.5g}", c["state"]]
        for c in combinations[:20]
    ]  # fmt: skip
    show(table_of("combinations, best first", [*places, "objective", "state"], [rows]))
    sys.stdout.write(f"{output}\n")
    failed = [c for c in combinations if c["state"] == "failed"]
    if failed and len(failed) == len(combinations):
        raise DataError(
            f"all {len(failed)} trials failed; {output}/sweep.md says why, the same command tries them again"
        )


VERB = Verb("train over a space of settings, and tell which are best", _HELP, _arguments, _run, GOES_ON)
