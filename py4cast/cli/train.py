"""train: a Forecaster trained, tested, saved."""

import argparse
import datetime
import logging
import os
import sys
from dataclasses import fields
from typing import Any

from py4cast.cli.base import Verb, add_data, whole
from py4cast.errors import SettingsError
from py4cast.process import process_rank

__all__ = ["VERB", "document_of", "training_arguments"]

_HELP = """\
examples:
  py4cast train                                             the synthetic atmosphere, on a laptop
  py4cast train --dataset gridded --dataset_conf my.json    your own GRIB or NetCDF files
  py4cast train --model unet --strategy scaled_ar --epochs 50 --set model.init_features=32
  py4cast train --strategy ensemble --num_members 4         members by noise, trained on the CRPS
  py4cast train --strategy ensemble --init_from F --epochs 3   an ensemble from a scaled_ar Forecaster
  py4cast train --config RUN/config.json                    a run again
  py4cast train --run_name NAME --resume ...                go on with a run that was stopped; with more --epochs, of one that is done

The last line on standard output is the run's folder: config.json, scores.json, forecaster.safetensors,
checkpoints/{best,last}.ckpt, TensorBoard events, plots/.
exit status: 0 done, 2 settings, 3 data, 4 not finite, 143 stopped and saved, 1 anything else"""

# flags that are settings of the training by the same name
_SETTINGS = (
    "epochs", "batch_size", "val_interval", "num_input_steps", "num_pred_steps_train", "num_pred_steps_val_test",
    "limit_train_batches", "max_steps", "early_stopping", "num_threads", "seed", "loss", "precision", "profiler", "profile", "on_nan", "deterministic", "mlflow", "no_log", "compile", "push_forward", "ema", "gradient_clip",
)  # fmt: skip


def _arguments(p: argparse.ArgumentParser) -> None:
    """The flags of train."""
    training_arguments(p)
    _naming_arguments(p)


def training_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of what is trained, on what and how."""
    add_data(p, None, "dummy; gridded with --dataset_conf")
    p.add_argument(
        "--config",
        metavar="JSON",
        help="config.json of a run (or its folder) to run again; other flags override it",
    )
    p.add_argument(
        "--model",
        metavar="NAME",
        help="model by name: halfunet, unet, graphlam, hilam, ... (default: the strategy's own, halfunet of most); `py4cast plugins` lists all",
    )
    p.add_argument("--model_conf", metavar="JSON", help="JSON file of the model's settings; examples in config/models/")
    p.add_argument(
        "--strategy",
        metavar="NAME",
        help="diff_ar, scaled_ar, ensemble, diffusion, graph_efm, downscaling, ... or a plugin's (default: diff_ar)",
    )
    p.add_argument("--strategy_conf", metavar="JSON", help="JSON file of the strategy's settings")
    numbers = {
        "epochs": "passes over the training period (default: 20)",
        "batch_size": "samples per step (default: 4)",
        "val_interval": "epochs between two validations; the last one is validated too (default: 1)",
        "num_input_steps": "past states that the network sees (default: 2)",
        "num_pred_steps_train": "steps unrolled in training (default: 1)",
        "num_pred_steps_val_test": "steps unrolled in validation and test (default: 5)",
        "limit_train_batches": "batches per epoch at most (default: all)",
        "accumulate": "batches per step of the optimiser (default: 1)",
        "max_steps": "steps of the optimiser at most (default: as many as the epochs have)",
        "early_stopping": "stop after so many validations without a better one (default: never)",
        "num_threads": "threads that read batches ahead; 0 reads when asked (default: 1)",
        "num_members": "members in training, of a strategy that makes them, such as ensemble (default: 4)",
        "num_members_val": "members in validation, test and forecasts (default: 8)",
        "seed": "what weights and the order of samples are drawn from (default: 42)",
    }
    for name, text in numbers.items():
        p.add_argument(f"--{name}", type=whole, metavar="N", help=text)
    p.add_argument(
        "--num_inter_steps",
        type=whole,
        metavar="K",
        help="calls of the network per step of the data, scaled_ar only (default: 1)",
    )
    p.add_argument(
        "--loss",
        metavar="NAME",
        help="mse, mae, crps, energy_score, sum, ... (default: the strategy's); `py4cast plugins` lists all",
    )
    _learning_arguments(p)
    _running_arguments(p)


def _learning_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of how a step learns."""
    p.add_argument(
        "--rollout_schedule",
        metavar="EPOCH:STEPS,...",
        help="steps unrolled in training from an epoch on, such as 0:1,10:2,15:4",
    )
    p.add_argument(
        "--checkpoint_rollout",
        action="store_true",
        default=None,
        help="keep the states of a rollout alone and compute the rest again: long rollouts in the memory of one step, a third slower",
    )
    p.add_argument("--push_forward", action="store_true", default=None, help="no gradients through the steps before")
    p.add_argument(
        "--ema", type=float, metavar="D", help="decay of a moving average of the weights, such as 0.999 (default: none)"
    )
    p.add_argument("--gradient_clip", type=float, metavar="G", help="largest norm of the gradient (default: none)")
    p.add_argument("--lr", type=float, metavar="LR", help="highest learning rate (default: 0.001)")
    p.add_argument(
        "--precision",
        metavar="P",
        help="auto, 32, bf16-mixed or 16-mixed (default: auto, bf16-mixed on a GPU where the network keeps its skill)",
    )
    p.add_argument(
        "--on_nan",
        metavar="WHAT",
        help="where a gradient is not finite: stop, skip the step, or rollback to the last saved state and on (default: stop)",
    )


def _running_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of what it runs on, and what is measured of it."""
    p.add_argument(
        "--deterministic",
        action="store_true",
        default=None,
        help="the same weights bit by bit from the same configuration on a GPU too; some steps are slower there",
    )
    p.add_argument(
        "--compile", action="store_true", default=None,
        help="compile the network (torch.compile): the first step takes a minute or more, those that follow less, most of all on a GPU",
    )  # fmt: skip
    p.add_argument(
        "--devices",
        type=whole,
        metavar="N",
        help="processes per node (default: what torchrun or SLURM started, else all GPUs, or one process)",
    )
    p.add_argument("--num_nodes", type=whole, metavar="N", help="nodes (default: what torchrun or SLURM started)")
    p.add_argument(
        "--accelerator", default="auto", choices=("auto", "cpu", "gpu"), help="what to compute on (default: auto)"
    )
    p.add_argument(
        "--distributed",
        default="ddp",
        choices=("ddp", "fsdp", "domain"),
        help="how ranks share the work; ddp: each has samples of its own; fsdp: so too, with the network in pieces on all; domain: several compute one sample together, each a part of the grid (default: ddp)",
    )
    p.add_argument(
        "--model_ranks",
        type=whole,
        metavar="N",
        help="with --distributed domain, ranks that compute one sample (default: all)",
    )
    p.add_argument(
        "--profile",
        action="store_true",
        default=None,
        help="tell in five lines where the time of the first steps goes, and trace two of them",
    )
    p.add_argument("--profiler", metavar="NAME", help="None, simple, advanced or pytorch (default: None)")
    p.add_argument(
        "--plots",
        metavar="NAMES",
        help="observers of validations and test, by name and comma (default: prediction,error,state_error,spatial_error,spectra,spread)",
    )
    p.add_argument("--mlflow", metavar="URI", help="log to MLflow too, such as file:mlruns (needs py4cast[mlflow])")
    p.add_argument("--dev_mode", action="store_true", help="3 epochs of 3 batches, to try things out")
    p.add_argument("--no_log", action="store_true", default=None, help="neither TensorBoard nor pictures")


def _naming_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of what it begins from, and its name."""
    p.add_argument("--load_model_ckpt", metavar="FILE", help="checkpoint or Forecaster whose weights to start from")
    p.add_argument(
        "--init_from",
        metavar="FORECASTER",
        help="begin from a trained one of the same model; variables, input steps, grid and strategy may be others, and it is told what is new; "
        "or from weights of neural-lam or mfai (.ckpt, .pt, .safetensors), whose inputs a JSON of the same name names",
    )
    p.add_argument(
        "--freeze", action="append", default=[], metavar="PATTERN",
        help="weights that stay as they are, by name, such as 'encoder.*'; may stand several times",
    )  # fmt: skip
    p.add_argument(
        "--campaign_name",
        default="default",
        metavar="NAME",
        help="a name that groups runs (default: default)",
    )
    p.add_argument("--run_name", metavar="NAME", help="the run's own name (default: date and time, or the SLURM job)")
    p.add_argument("--resume", action="store_true", help="go on with the run of this name, exactly")


def document_of(a: argparse.Namespace) -> dict[str, Any]:
    """The configuration that the flags make, as plain JSON values."""
    from py4cast.settings import read_json
    from py4cast.workflows.config import default_model, find_config, named_from

    document: dict[str, Any] = read_json(find_config(a.config)) if a.config else {}
    defaults = {"dataset": "gridded" if a.dataset_conf else "dummy", "strategy": "diff_ar", "model": ""}
    for part, default in defaults.items():
        default = default or default_model(document["strategy"])
        name, path = getattr(a, part), getattr(a, f"{part}_conf")
        if name or path or part not in document:
            document[part] = named_from(name or document.get(part, {}).get("name") or default, path)
    settings = document.setdefault("train", {})
    if a.dev_mode:
        settings |= {"epochs": 3, "limit_train_batches": 3}
    settings |= {name: getattr(a, name) for name in _SETTINGS if getattr(a, name) is not None}
    settings |= {} if a.checkpoint_rollout is None else {"use_checkpoint": True}
    settings |= {} if a.accumulate is None else {"accumulate_grad_batches": a.accumulate}
    if getattr(a, "freeze", None):
        settings["freeze"] = a.freeze
    if a.rollout_schedule is not None:
        settings["rollout_schedule"] = _schedule(a.rollout_schedule)
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
    for name in ("num_members", "num_members_val"):
        if getattr(a, name) is not None:
            _check_members(document["strategy"]["name"], name)
            document["strategy"]["settings"][name] = getattr(a, name)
    return document


def _run(a: argparse.Namespace) -> None:
    """Trains, and shows the scores of the test."""
    from py4cast.job import Job, Placement
    from py4cast.settings import read_json
    from py4cast.workflows.config import build_config

    placement = Placement(
        devices=a.devices,
        num_nodes=a.num_nodes,
        accelerator=a.accelerator,
        distributed=a.distributed,
        model_ranks=a.model_ranks,
    )
    if Job.of(placement).rank:
        # the first of several processes speaks for all
        logging.getLogger("py4cast").setLevel(logging.WARNING)
    config = build_config(document_of(a), a.overrides)
    decoded = config.check()
    if a.init_from and a.load_model_ckpt:
        raise SettingsError("--init_from and --load_model_ckpt both say what to begin from; give one of them")
    if a.resume and not a.run_name:
        raise SettingsError("--resume needs the --run_name of the run to go on with")
    # mistakes are told before Lightning is loaded, which takes seconds
    from py4cast.workflows.terminal import score_table, show
    from py4cast.workflows.train.run import train

    further: dict[str, Any] = {"init_from": a.init_from} if a.init_from else {}
    if placement != Placement():
        further["placement"] = placement
    name = a.run_name or _default_run_name()
    folder = train(config, a.campaign_name, name, a.resume, a.load_model_ckpt, decoded, **further)
    if process_rank() == 0:
        document = read_json(folder / "scores.json")
        # of an ensemble the error of its mean is half of the story
        wanted = ("rmse", *(["fair_crps"] if document.get("num_members", 1) > 1 else []))
        # which scores there are is a setting
        for metric in (m for m in wanted if any(m in scores for scores in document["model"].values())):
            show(score_table(document, metric))
        sys.stdout.write(f"{folder}\n")


def _schedule(text: str) -> list[list[int]]:
    """The schedule of `EPOCH:STEPS,...`."""
    try:
        return [[int(number) for number in entry.split(":", 1)] for entry in text.split(",")]
    except ValueError:
        raise SettingsError(f"--rollout_schedule {text!r}: expected EPOCH:STEPS by comma, such as 0:1,10:2") from None


def _check_members(strategy: str, name: str) -> None:
    """SettingsError where a strategy has no such setting."""
    from py4cast.strategies import registry

    if name in {field.name for field in fields(registry.get(strategy).settings_kls)}:
        return
    held = {"num_members": "num_members_val"}.get(name, "")
    if held in {field.name for field in fields(registry.get(strategy).settings_kls)}:
        raise SettingsError(
            f"--{name}: strategy {strategy!r} learns from single states; --{held} tells how many it is validated with"
        )
    others = [n for n in registry.builtin_names if name in {f.name for f in fields(registry.get(n).settings_kls)}]
    raise SettingsError(f"--{name}: strategy {strategy!r} makes one forecast; members come from {', '.join(others)}")


def _default_run_name() -> str:
    """The job and step under SLURM; else date and time, which processes that this one launches share."""
    if "SLURM_JOB_ID" in os.environ:
        return f"slurm-{os.environ['SLURM_JOB_ID']}.{os.environ.get('SLURM_STEP_ID', '0')}"
    from py4cast.job import Job

    name = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S")
    job = Job.of()
    if job.launcher == "torchrun" and job.world_size > 1:
        from py4cast.ranks import same_for_all

        return same_for_all("run_name", name)
    if process_rank() == 0:
        os.environ["PY4CAST_RUN_NAME"] = name
    return os.environ.get("PY4CAST_RUN_NAME", name)


VERB = Verb("train a Forecaster, test it, save it", _HELP, _arguments, _run)
