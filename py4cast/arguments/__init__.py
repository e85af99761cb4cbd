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
from py4cast.arguments.experiments import CLOSURE_HELP, MAPPING_HELP, closure_arguments, mapping_arguments
from py4cast.arguments.forecast import (
    CYCLE_HELP,
    EXPORT_HELP,
    FORECAST_HELP,
    cycle_arguments,
    export_arguments,
    forecast_arguments,
)
from py4cast.arguments.operations import CATALOGUE_HELP, REGISTER_HELP, catalogue_arguments, register_arguments
from py4cast.arguments.scores import COMPARE_HELP, VERIFY_HELP, compare_arguments, verify_arguments
from py4cast.arguments.train import TRAIN_HELP, train_arguments

__all__ = [
    "CATALOGUE_HELP",
    "CLOSURE_HELP",
    "COMPARE_HELP",
    "CYCLE_HELP",
    "EXPORT_HELP",
    "FORECAST_HELP",
    "GRAPH_HELP",
    "INSPECT_HELP",
    "MAPPING_HELP",
    "PREPARE_HELP",
    "REGISTER_HELP",
    "TRAIN_HELP",
    "VERIFY_HELP",
    "Parser",
    "catalogue_arguments",
    "closure_arguments",
    "compare_arguments",
    "cycle_arguments",
    "export_arguments",
    "forecast_arguments",
    "graph_arguments",
    "inspect_arguments",
    "mapping_arguments",
    "plugins_arguments",
    "prepare_arguments",
    "register_arguments",
    "train_arguments",
    "verify_arguments",
]
