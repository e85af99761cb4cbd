"""The flags of every verb, and what `--help` teaches. Nothing heavy is imported here."""

from py4cast.arguments.base import Parser
from py4cast.arguments.data import (
    GRAPH_HELP,
    INSPECT_HELP,
    PREPARE_HELP,
    graph_arguments,
    inspect_arguments,
    plugins_arguments,
    prepare_arguments,
)
from py4cast.arguments.forecast import EXPORT_HELP, FORECAST_HELP, export_arguments, forecast_arguments
from py4cast.arguments.scores import COMPARE_HELP, VERIFY_HELP, compare_arguments, verify_arguments
from py4cast.arguments.train import TRAIN_HELP, train_arguments

__all__ = [
    "COMPARE_HELP",
    "EXPORT_HELP",
    "FORECAST_HELP",
    "GRAPH_HELP",
    "INSPECT_HELP",
    "PREPARE_HELP",
    "TRAIN_HELP",
    "VERIFY_HELP",
    "Parser",
    "compare_arguments",
    "export_arguments",
    "forecast_arguments",
    "graph_arguments",
    "inspect_arguments",
    "plugins_arguments",
    "prepare_arguments",
    "train_arguments",
    "verify_arguments",
]
