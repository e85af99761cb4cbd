"""What the flags of all verbs share: the parser, and where the data are said."""

import argparse
import sys
from typing import NoReturn

from py4cast.errors import nearest

__all__ = ["Parser", "add_data", "whole"]


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line with the nearest valid flag."""

    def error(self, message: str) -> NoReturn:
        words = message.split(": ", 1)
        if words[0] == "unrecognized arguments":
            flag = words[1].split()[0].split("=")[0]
            flags = [o for action in self._actions for o in action.option_strings if o.startswith("--")]
            message = f"unknown flag {flag}{nearest(flag, flags).split(' (valid')[0] if flag.startswith('-') else ''}"
        sys.stderr.write(f"{self.prog}: error: {message}; see {self.prog} --help\n")
        sys.exit(2)


def whole(text: str) -> int:
    """A whole number of the command line."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, found {text!r}") from None


def add_data(parser: argparse.ArgumentParser, dataset: str | None, shown: str) -> None:
    """The flags that say which data; `shown` is the default that --help tells."""
    parser.add_argument(
        "--dataset",
        default=dataset,
        metavar="NAME",
        help=f"dataset by name: dummy, gridded, virtual, titan, smeagol, poesy, rainfall, or a plugin's (default: {shown})",
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
