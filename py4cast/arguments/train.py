"""The flags of train."""

import argparse

from py4cast.arguments.base import add_data, whole

__all__ = ["TRAIN_HELP", "train_arguments"]

TRAIN_HELP = """\
examples:
  py4cast train                                             the synthetic atmosphere, on a laptop
  py4cast train --dataset gridded --dataset_conf my.json    your own GRIB or NetCDF files
  py4cast train --model unet --strategy scaled_ar --epochs 50 --set model.init_features=32
  py4cast train --config RUN/config.json                    a run again
  py4cast train --run_name NAME --resume ...                go on with a run that was stopped

The last line on standard output is the run's folder: config.json, scores.json, forecaster.safetensors,
checkpoints/{best,last}.ckpt, TensorBoard events, plots/.
exit status: 0 done, 2 settings, 3 data, 4 not finite, 143 stopped and saved, 1 anything else"""


def train_arguments(p: argparse.ArgumentParser) -> None:
    """The flags of train."""
    add_data(p, None, "dummy; gridded with --dataset_conf")
    p.add_argument(
        "--config",
        metavar="JSON",
        help="config.json of a run (or its folder) to run again; other flags override it",
    )
    p.add_argument(
        "--model",
        metavar="NAME",
        help="model by name: halfunet, unet, graphlam, hilam, ... (default: halfunet); `py4cast plugins` lists all",
    )
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
        p.add_argument(f"--{name}", type=whole, metavar="N", help=text)
    p.add_argument(
        "--num_inter_steps",
        type=whole,
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
        help="observers of validations and test, by name and comma (default: prediction,error,state_error,spatial_error,spectra,spread)",
    )
    p.add_argument("--mlflow", metavar="URI", help="log to MLflow too, such as file:mlruns (needs py4cast[mlflow])")
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
