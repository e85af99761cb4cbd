"""The command line: `py4cast VERB ...`, the same functions as `bin/VERB.py`.

Nothing heavy is imported before a verb's arguments have been read, so that `--help` is quick.
"""

import argparse
import datetime
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from py4cast import arguments as flags
from py4cast.arguments import Parser
from py4cast.errors import Py4castError, SettingsError, nearest
from py4cast.process import keep_memory, sleep_while_waiting
from py4cast.verbs import experiments, operations
from py4cast.verbs.texts import by_comma, renames, strip

__all__ = ["main"]


def _train(a: argparse.Namespace) -> None:
    from py4cast.settings import read_json
    from py4cast.workflows.config import build_config, find_config, named_from

    document: dict[str, Any] = read_json(find_config(a.config)) if a.config else {}
    defaults = {"dataset": "gridded" if a.dataset_conf else "dummy", "model": "halfunet", "strategy": "diff_ar"}
    for part, default in defaults.items():
        name, path = getattr(a, part), getattr(a, f"{part}_conf")
        if name or path or part not in document:
            document[part] = named_from(name or document.get(part, {}).get("name") or default, path)
    settings = document.setdefault("train", {})
    if a.dev_mode:
        settings |= {"epochs": 3, "limit_train_batches": 3}
    names = (
        "epochs",
        "batch_size",
        "val_interval",
        "num_input_steps",
        "num_pred_steps_train",
        "num_pred_steps_val_test",
    )
    for name in (*names, "limit_train_batches", "seed", "loss", "precision", "profiler", "mlflow", "no_log"):
        if getattr(a, name) is not None:
            settings[name] = getattr(a, name)
    if a.plots is not None:
        settings["plots"] = [n for n in a.plots.split(",") if n]
    if a.lr is not None:
        optim = document.setdefault("optim", {})
        optim["lr"] = a.lr
        optim["min_lr"] = min(a.lr, float(optim.get("min_lr", 1e-6)))
    if a.num_inter_steps not in (None, 1) or (a.num_inter_steps == 1 and document["strategy"]["name"] == "scaled_ar"):
        if document["strategy"]["name"] in ("diff_ar", "downscaling"):
            raise SettingsError(
                f"--num_inter_steps {a.num_inter_steps}: strategy {document['strategy']['name']} has no inter steps; use --strategy scaled_ar"
            )
        document["strategy"]["settings"]["num_inter_steps"] = a.num_inter_steps
    config = build_config(document, a.overrides)
    config.check()
    if a.resume and not a.run_name:
        raise SettingsError("--resume needs the --run_name of the run to go on with")
    # mistakes are told before Lightning is loaded, which takes seconds
    from py4cast.workflows.report import score_table, show
    from py4cast.workflows.train import process_rank, train

    folder = train(config, a.campaign_name, a.run_name or _default_run_name(), a.resume, a.load_model_ckpt)
    if process_rank() == 0:
        show(score_table(read_json(folder / "scores.json")))
        sys.stdout.write(f"{folder}\n")


def _default_run_name() -> str:
    """The job and step under SLURM; else date and time, which processes that this one launches share."""
    if "SLURM_JOB_ID" in os.environ:
        return f"slurm-{os.environ['SLURM_JOB_ID']}.{os.environ.get('SLURM_STEP_ID', '0')}"
    from py4cast.workflows.train import process_rank

    name = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S")
    if process_rank() == 0:
        os.environ["PY4CAST_RUN_NAME"] = name
    return os.environ.get("PY4CAST_RUN_NAME", name)


def _prepare(a: argparse.Namespace) -> None:
    from pathlib import Path

    from py4cast.workflows.prepare import prepare

    store = prepare(
        a.dataset,
        a.dataset_conf,
        Path(a.output) if a.output else None,
        strip(a.overrides),
        a.num_workers,
        a.scheduler,
        a.append,
    )
    sys.stdout.write(f"{store.path}\n")


def _inspect(a: argparse.Namespace) -> None:
    from pathlib import Path

    from py4cast.workflows.inspect_step import inspect_step, is_step
    from py4cast.workflows.report import show

    if is_step(Path(a.path)):
        if a.plot or a.time or a.check or a.variables:
            raise SettingsError(f"{a.path}: --plot, --time, --check and --variables are of data, not of Forecasters")
        for item in inspect_step(Path(a.path)):
            show(item)
        return
    from py4cast.workflows.inspect import inspect

    names = by_comma(a.variables)
    for item in inspect(a.path, a.plot, a.time, a.check, names):
        show(item)


def _reference_files(texts: Sequence[str]) -> dict[str, list[str]]:
    """Files by name from `NAME=FILES` texts, several parted by comma."""
    for text in texts:
        if "=" not in text:
            raise SettingsError(f"--reference {text!r}: expected NAME=FILES")
    return {name: files.split(",") for name, files in (text.split("=", 1) for text in texts)}


def _files(a: argparse.Namespace, settings: Any) -> Any:
    """What verify was asked of forecast files."""
    from py4cast.datasets.timeline import instant
    from py4cast.workflows.file_case import VerifyFiles

    return VerifyFiles(
        forecast=a.forecast or (),
        truth=a.truth or (),
        stations=a.stations,
        references=_reference_files(a.reference),
        variables=by_comma(a.variables),
        renamed=renames(a.rename, "FORECAST=TRUTH"),
        accumulated=by_comma(a.accumulated),
        regrid=a.regrid,
        interpolation=a.interpolation,
        orography=a.orography,
        climatology=a.climatology or "truth",
        first=instant(a.start) if a.start else None,
        last=instant(a.end, is_end=True) if a.end else None,
        num_steps=a.num_steps,
        scores=settings,
    )


def _verify(a: argparse.Namespace) -> None:
    from pathlib import Path

    from py4cast.workflows.report import Bar, score_table, show
    from py4cast.workflows.score_files import write_scores
    from py4cast.workflows.score_page import write_page
    from py4cast.workflows.verify import score_settings

    overrides = [o.removeprefix("scores.") for o in a.overrides if o.startswith("scores.")]
    if a.metrics:
        overrides.append(f"metrics={json.dumps(a.metrics.split(','))}")
    of_data = strip([o for o in a.overrides if not o.startswith("scores.")])
    settings = score_settings(overrides)
    case: Any
    if bool(a.forecaster) == bool(a.forecast):
        raise SettingsError("verify needs either --forecaster FILE or --forecast FILES; see py4cast verify --help")
    if a.forecaster:
        from py4cast.workflows.verify import verify

        output = Path(a.output) if a.output else Path(a.forecaster).parent / "verify"
        scores, case = verify(
            a.forecaster, a.dataset, a.dataset_conf, a.split, a.num_steps or 5, a.batch_size, of_data, settings,
            a.climatology or "auto", references=_reference_files(a.reference), regrid=a.regrid,
        )  # fmt: skip
    else:
        from py4cast.workflows.verify_files import verify_files

        output = Path(a.output or "verify")
        with Bar() as bar:
            scores, case = verify_files(_files(a, settings), bar=bar, num_workers=a.num_workers)
    write_scores(output, scores)
    write_page(output / "report.html", scores, case, f"Scores of {Path(a.forecaster or a.forecast[0]).name}")
    case.close()
    show(score_table(scores.to_dict(), a.metric))
    sys.stdout.write(f"{output}\n")


def _compare(a: argparse.Namespace) -> None:
    from py4cast.datasets.timeline import instant
    from py4cast.workflows.compare import Compare, compare, named_runs
    from py4cast.workflows.report import score_table, show

    names = by_comma(a.variables)
    asked = Compare(
        named_runs(a.runs), instant(a.init_time) if a.init_time else None, names, a.truth or (), a.stations, a.regrid
    )
    show(score_table(compare(asked, a.output).to_dict(), a.metric))
    sys.stdout.write(f"{a.output}\n")


def _graph(a: argparse.Namespace) -> None:
    from py4cast.workflows.graph import graph
    from py4cast.workflows.report import show

    for override in a.overrides:
        if not override.startswith(("dataset.", "model.")):
            raise SettingsError(f"--set {override!r}: expected dataset.PLACE=VALUE or model.PLACE=VALUE")
    dataset = a.dataset or ("gridded" if a.dataset_conf else "dummy")
    for item in graph(dataset, a.dataset_conf, a.model, a.model_conf, a.overrides, a.output):
        show(item)
    sys.stdout.write(f"{a.output}\n")


def _plugins(a: argparse.Namespace) -> None:
    from py4cast.workflows.plugins import plugins
    from py4cast.workflows.report import show

    show(plugins(a.broken))


_VERBS: dict[str, tuple[str, str, Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], None]]] = {
    "train": ("train a Forecaster, test it, save it", flags.TRAIN_HELP, flags.train_arguments, _train),
    "prepare": ("turn GRIB or NetCDF files into a fast store", flags.PREPARE_HELP, flags.prepare_arguments, _prepare),
    "forecast": ("write a forecast file", flags.FORECAST_HELP, flags.forecast_arguments, operations.run_forecast),
    "cycle": (
        "forecast every few hours, as input comes",
        flags.CYCLE_HELP,
        flags.cycle_arguments,
        operations.run_cycle,
    ),
    "export": (
        "write one step of a Forecaster as ONNX, checked against torch",
        flags.EXPORT_HELP,
        flags.export_arguments,
        operations.run_export,
    ),
    "verify": (
        "score a Forecaster, or any forecast files, against analyses or stations",
        flags.VERIFY_HELP,
        flags.verify_arguments,
        _verify,
    ),
    "compare": (
        "put several runs or verified forecasts side by side",
        flags.COMPARE_HELP,
        flags.compare_arguments,
        _compare,
    ),
    "register": (
        "keep a Forecaster, a step, a store or scores in a catalogue",
        flags.REGISTER_HELP,
        flags.register_arguments,
        operations.run_register,
    ),
    "catalogue": (
        "list what was made from what, and fetch it",
        flags.CATALOGUE_HELP,
        flags.catalogue_arguments,
        operations.run_catalogue,
    ),
    "inspect": (
        "show what a store, a Forecaster or an exported step holds",
        flags.INSPECT_HELP,
        flags.inspect_arguments,
        _inspect,
    ),
    "closure": (
        "train closures of turbulence through its solver, and compare them",
        flags.CLOSURE_HELP,
        flags.closure_arguments,
        experiments.run_closure,
    ),
    "mapping": (
        "make maps from observations along tracks, and compare the ways to do so",
        flags.MAPPING_HELP,
        flags.mapping_arguments,
        experiments.run_mapping,
    ),
    "graph": ("show and draw the mesh of a graph network", flags.GRAPH_HELP, flags.graph_arguments, _graph),
    "plugins": ("list what can be used by name, and from where", "", flags.plugins_arguments, _plugins),
}


def _parser(verb: str | None) -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    if verb is not None:
        title, epilog, add, _ = _VERBS[verb]
        parser = Parser(
            prog=f"py4cast {verb}", description=title, epilog=epilog, formatter_class=raw, allow_abbrev=False
        )
        add(parser)
        parser.add_argument("--verbose", action="store_true", help="say more of what is done")
        return parser
    verbs = "\n".join(f"  {name:<9} {title}" for name, (title, *_) in _VERBS.items())
    parser = Parser(
        prog="py4cast", formatter_class=raw, allow_abbrev=False, usage="py4cast VERB [flags]",
        description=f"Train neural networks to forecast the weather and the ocean, and operate them.\n\nverbs:\n{verbs}",
        epilog="py4cast VERB --help tells more. Start with: py4cast train --dev_mode",
    )  # fmt: skip
    parser.add_argument("verb", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--version", action="store_true", help="show the version")
    return parser


def _run(verb: str, words: Sequence[str]) -> int:
    arguments = _parser(verb).parse_args(words)
    keep_memory()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("py4cast").setLevel(logging.DEBUG if arguments.verbose else logging.INFO)
    try:
        _VERBS[verb][3](arguments)
    except Py4castError as error:
        sys.stderr.write(f"py4cast {verb}: error: {' '.join(str(error).split())}\n")
        return error.status
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("py4cast"):
            raise
        name = error.name.partition(".")[0]
        sys.stderr.write(f"py4cast {verb}: error: it needs the package {name!r}, which is not installed here\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"py4cast {verb}: error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"py4cast {verb}: interrupted\n")
        return 130
    except Exception as error:
        sys.stderr.write(f"py4cast {verb}: unexpected {type(error).__name__}: {error}\n")
        traceback.print_exc()
        return 1
    return 0


def main(words: Sequence[str] | None = None) -> int:
    """Runs `py4cast VERB ...` and returns the exit status."""
    given = list(sys.argv[1:] if words is None else words)
    sleep_while_waiting()
    # plugins may lie in the folder that the command is given in; at the end, so that they hide nothing
    if "" not in sys.path:
        sys.path.append("")
    if given and given[0] in _VERBS:
        return _run(given[0], given[1:])
    parser = _parser(None)
    if given and not given[0].startswith("-"):
        parser.error(f"unknown verb {given[0]!r}{nearest(given[0], _VERBS)}")
    arguments = parser.parse_args(given)
    if arguments.version:
        from py4cast import __version__

        sys.stdout.write(f"{__version__}\n")
    else:
        parser.print_help()
    return 0


if __name__ == "__main__":
    sys.exit(main())
