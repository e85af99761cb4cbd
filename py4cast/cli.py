"""The command line: `py4cast VERB ...`, the same functions as `bin/VERB.py`.

Nothing heavy is imported before a verb's arguments have been read, so that `--help` is quick.
"""

import argparse
import datetime
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from py4cast.errors import Py4castError, SettingsError, nearest

__all__ = ["main"]

_TRAIN_HELP = """\
examples:
  py4cast train                                             the synthetic atmosphere, on a laptop
  py4cast train --dataset gridded --dataset_conf my.json    your own GRIB or NetCDF files
  py4cast train --model unet --strategy scaled_ar --epochs 50 --set model.init_features=32
  py4cast train --config RUN/config.json                    a run again
  py4cast train --run_name NAME --resume ...                go on with a run that was stopped

The last line on standard output is the run's folder: config.json, scores.json, forecaster.safetensors,
checkpoints/{best,last}.ckpt, TensorBoard events, plots/.
exit status: 0 done, 2 settings, 3 data, 4 not finite, 143 stopped and saved, 1 anything else"""
_PREPARE_HELP = """\
example:
  py4cast prepare --dataset_conf config/datasets/era5_uk.json --set dataset.root=/data/era5

Work that is killed goes on where it stopped when the same command is given again. The last line on standard
output is the folder of the store, an open Zarr v3 that xarray reads."""
_FORECAST_HELP = """\
example:
  py4cast forecast --forecaster RUN/forecaster.safetensors --dataset_conf my.json \\
      --init_time 2019-03-30T00 --num_steps 24 --output forecast.nc

The ending of --output chooses the format: .nc (CF-NetCDF) or .grib2."""
_VERIFY_HELP = """\
example:
  py4cast verify --forecaster RUN/forecaster.safetensors --dataset_conf my.json --num_steps 12 --output scores/"""


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line with the nearest valid flag."""

    def error(self, message: str) -> NoReturn:
        words = message.split(": ", 1)
        if words[0] == "unrecognized arguments":
            flag = words[1].split()[0].split("=")[0]
            flags = [o for action in self._actions for o in action.option_strings if o.startswith("--")]
            message = f"unknown flag {flag}{nearest(flag, flags).split(' (valid')[0] if flag.startswith('-') else ''}"
        sys.stderr.write(f"{self.prog}: error: {message}; see {self.prog} --help\n")
        sys.exit(2)


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, found {text!r}") from None


def _add_data(parser: argparse.ArgumentParser, dataset: str | None) -> None:
    shown = dataset or "the one of the training"
    parser.add_argument(
        "--dataset",
        default=dataset,
        metavar="NAME",
        help=f"dataset by name: dummy, gridded, or a plugin's (default: {shown})",
    )
    parser.add_argument(
        "--dataset_conf",
        metavar="JSON",
        help="JSON file that describes the dataset; templates in config/datasets/",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="PLACE=VALUE", dest="overrides",
        help="override one setting, such as dataset.root=DIR or model.num_filters=64; may stand several times",
    )  # fmt: skip


def _train_arguments(p: argparse.ArgumentParser) -> None:
    _add_data(p, "dummy")
    p.add_argument(
        "--config",
        metavar="JSON",
        help="config.json of a run (or its folder) to run again; other flags override it",
    )
    p.add_argument("--model", metavar="NAME", help="model: halfunet, unet, or a plugin's (default: halfunet)")
    p.add_argument("--model_conf", metavar="JSON", help="JSON file of the model's settings; examples in config/models/")
    p.add_argument(
        "--strategy", metavar="NAME", help="diff_ar, scaled_ar, downscaling, or a plugin's (default: diff_ar)"
    )
    p.add_argument("--strategy_conf", metavar="JSON", help="JSON file of the strategy's settings")
    numbers = {
        "epochs": "passes over the training period (default: 20)",
        "batch_size": "samples per step (default: 4)",
        "val_interval": "epochs between two validations (default: 1)",
        "num_input_steps": "past states that the network sees (default: 2)",
        "num_pred_steps_train": "steps unrolled in training (default: 1)",
        "num_pred_steps_val_test": "steps unrolled in validation and test (default: 5)",
        "limit_train_batches": "batches per epoch at most (default: all)",
        "seed": "what weights and the order of samples are drawn from (default: 42)",
    }
    for name, text in numbers.items():
        p.add_argument(f"--{name}", type=_whole, metavar="N", help=text)
    p.add_argument(
        "--num_inter_steps",
        type=_whole,
        metavar="K",
        help="calls of the network per step of the data, scaled_ar only (default: 1)",
    )
    p.add_argument("--loss", metavar="NAME", help="mse, mae, or a plugin's (default: mse)")
    p.add_argument("--lr", type=float, metavar="LR", help="highest learning rate (default: 0.001)")
    p.add_argument("--precision", metavar="P", help="32, bf16-mixed or 16-mixed (default: 32)")
    p.add_argument("--profiler", metavar="NAME", help="None, simple, advanced or pytorch (default: None)")
    p.add_argument(
        "--plots",
        metavar="NAMES",
        help="observers of the test, by name and comma (default: prediction,state_error,spatial_error)",
    )
    p.add_argument("--no_log", action="store_true", default=None, help="neither TensorBoard nor pictures")
    p.add_argument("--dev_mode", action="store_true", help="3 epochs of 3 batches, to try things out")
    p.add_argument("--load_model_ckpt", metavar="FILE", help="checkpoint or Forecaster whose weights to start from")
    p.add_argument(
        "--campaign_name",
        default="default",
        metavar="NAME",
        help="a name that groups runs (default: default)",
    )
    p.add_argument("--run_name", metavar="NAME", help="the run's own name (default: date and time, or the SLURM job)")
    p.add_argument("--resume", action="store_true", help="go on with the run of this name, exactly")


def _train(a: argparse.Namespace) -> None:
    from py4cast.settings import read_json
    from py4cast.workflows.config import build_config, find_config, named_from
    from py4cast.workflows.report import score_table, show
    from py4cast.workflows.train import process_rank, train

    document: dict[str, Any] = read_json(find_config(a.config)) if a.config else {}
    for part, is_given in (
        ("dataset", a.dataset != "dummy" or a.dataset_conf),
        ("model", a.model or a.model_conf),
        ("strategy", a.strategy or a.strategy_conf),
    ):
        if is_given or part not in document:
            defaults = {
                "dataset": "gridded" if a.dataset == "dummy" and a.dataset_conf else a.dataset,
                "model": "halfunet",
                "strategy": "diff_ar",
            }
            name = (
                a.dataset
                if part == "dataset" and a.dataset != "dummy"
                else getattr(a, part)
                if part != "dataset"
                else None
            ) or defaults[part]
            document[part] = named_from(name, getattr(a, f"{part}_conf"))
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
    for name in (*names, "limit_train_batches", "seed", "loss", "precision", "profiler", "no_log"):
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
    if a.resume and not a.run_name:
        raise SettingsError("--resume needs the --run_name of the run to go on with")
    folder = train(config, a.campaign_name, a.run_name or _default_run_name(), a.resume, a.load_model_ckpt)
    if process_rank() == 0:
        show(score_table(read_json(folder / "scores.json")))
        sys.stdout.write(f"{folder}\n")


def _default_run_name() -> str:
    """The job and step under SLURM; else date and time, which processes that this one launches share."""
    if "SLURM_JOB_ID" in os.environ:
        return f"slurm-{os.environ['SLURM_JOB_ID']}.{os.environ.get('SLURM_STEP_ID', '0')}"
    name = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S")
    if int(os.environ.get("LOCAL_RANK") or 0) == 0:
        os.environ["PY4CAST_RUN_NAME"] = name
    return os.environ.get("PY4CAST_RUN_NAME", name)


def _strip(overrides: Sequence[str]) -> list[str]:
    """The dataset's overrides, without the first word that the other verbs share with train."""
    for override in overrides:
        if not override.startswith("dataset."):
            raise SettingsError(f"--set {override!r}: expected dataset.PLACE=VALUE, such as dataset.root=DIR")
    return [o.removeprefix("dataset.") for o in overrides]


def _prepare_arguments(p: argparse.ArgumentParser) -> None:
    _add_data(p, "gridded")
    p.add_argument("--output", metavar="DIR", help="folder of the store (default: in the cache of $PY4CAST_ROOTDIR)")


def _prepare(a: argparse.Namespace) -> None:
    from pathlib import Path

    from py4cast.workflows.prepare import prepare

    store = prepare(a.dataset, a.dataset_conf, Path(a.output) if a.output else None, _strip(a.overrides))
    sys.stdout.write(f"{store.path}\n")


def _forecast_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("--forecaster", required=True, metavar="FILE", help="a saved Forecaster (forecaster.safetensors)")
    _add_data(p, None)
    p.add_argument(
        "--init_time",
        required=True,
        metavar="TIME",
        help="UTC time of the last past state, such as 2019-03-30T00",
    )
    p.add_argument("--num_steps", type=_whole, required=True, metavar="N", help="steps to predict")
    p.add_argument("--output", required=True, metavar="FILE", help="file to write: .nc or .grib2")
    p.add_argument(
        "--free_border",
        action="store_true",
        help="forecast without truth in the border, for a strategy that imposes it",
    )


def _forecast(a: argparse.Namespace) -> None:
    from py4cast.workflows.forecast import forecast

    path = forecast(
        a.forecaster,
        a.init_time,
        a.num_steps,
        a.output,
        a.dataset,
        a.dataset_conf,
        _strip(a.overrides),
        a.free_border,
    )
    sys.stdout.write(f"{path}\n")


def _verify_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("--forecaster", required=True, metavar="FILE", help="a saved Forecaster (forecaster.safetensors)")
    _add_data(p, None)
    p.add_argument(
        "--split", default="test", choices=("train", "valid", "test"), help="period to score (default: test)"
    )
    p.add_argument("--num_steps", type=_whole, default=5, metavar="N", help="lead times (default: 5)")
    p.add_argument("--batch_size", type=_whole, default=4, metavar="N", help="forecasts at once (default: 4)")
    p.add_argument(
        "--metric",
        default="rmse",
        choices=("rmse", "mae", "bias"),
        help="what the table shows; the files hold all (default: rmse)",
    )
    p.add_argument(
        "--output",
        metavar="DIR",
        help="folder for scores.json and scores.csv (default: verify/ beside the Forecaster)",
    )


def _verify(a: argparse.Namespace) -> None:
    from pathlib import Path

    from py4cast.workflows.report import score_table, show
    from py4cast.workflows.verify import verify

    output = Path(a.output) if a.output else Path(a.forecaster).parent / "verify"
    scores = verify(
        a.forecaster,
        a.dataset,
        a.dataset_conf,
        a.split,
        a.num_steps,
        a.batch_size,
        output,
        _strip(a.overrides),
    )
    show(score_table(scores, a.metric))
    sys.stdout.write(f"{output}\n")


def _plugins_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("--broken", action="store_true", help="show only what cannot be used")


def _plugins(a: argparse.Namespace) -> None:
    from py4cast.workflows.plugins import plugins
    from py4cast.workflows.report import show

    show(plugins(a.broken))


_VERBS: dict[str, tuple[str, str, Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], None]]] = {
    "train": ("train a Forecaster, test it, save it", _TRAIN_HELP, _train_arguments, _train),
    "prepare": ("turn GRIB or NetCDF files into a fast store", _PREPARE_HELP, _prepare_arguments, _prepare),
    "forecast": ("write a forecast file", _FORECAST_HELP, _forecast_arguments, _forecast),
    "verify": (
        "score a Forecaster against persistence and climatology",
        _VERIFY_HELP,
        _verify_arguments,
        _verify,
    ),
    "plugins": ("list what can be used by name, and from where", "", _plugins_arguments, _plugins),
}


def _parser(verb: str | None) -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    if verb is not None:
        title, epilog, add, _ = _VERBS[verb]
        parser = _Parser(
            prog=f"py4cast {verb}", description=title, epilog=epilog, formatter_class=raw, allow_abbrev=False
        )
        add(parser)
        parser.add_argument("--verbose", action="store_true", help="say more of what is done")
        return parser
    verbs = "\n".join(f"  {name:<9} {title}" for name, (title, *_) in _VERBS.items())
    parser = _Parser(
        prog="py4cast", formatter_class=raw, allow_abbrev=False, usage="py4cast VERB [flags]",
        description=f"Train neural networks to forecast the weather and the ocean, and operate them.\n\nverbs:\n{verbs}",
        epilog="py4cast VERB --help tells more. Start with: py4cast train --dev_mode",
    )  # fmt: skip
    parser.add_argument("verb", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--version", action="store_true", help="show the version")
    return parser


def _run(verb: str, words: Sequence[str]) -> int:
    arguments = _parser(verb).parse_args(words)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("py4cast").setLevel(logging.DEBUG if arguments.verbose else logging.INFO)
    try:
        _VERBS[verb][3](arguments)
    except Py4castError as error:
        sys.stderr.write(f"py4cast {verb}: error: {' '.join(str(error).split())}\n")
        return error.status
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
    # threads that wait asleep instead of spinning: several times faster on a machine that others use too;
    # read when torch is loaded, so it is set before that
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
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
