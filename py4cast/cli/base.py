"""What all verbs share: the parser, flags that several have, and texts that hold several things.

A verb is one file here: its flags, what `--help` teaches, and the call of its workflow. Nothing heavy is imported
before a verb runs.
"""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

from py4cast.errors import SettingsError, nearest
from py4cast.text import visible

__all__ = [
    "GOES_ON",
    "Parser",
    "Verb",
    "add_calibration",
    "add_catalogue",
    "add_data",
    "add_experiment",
    "add_members",
    "add_where",
    "by_comma",
    "files_of",
    "keys_of",
    "renames",
    "strip",
    "units_of",
    "where_of",
    "whole",
]


GOES_ON = "the same command goes on where it stopped"


class Verb(NamedTuple):
    """One verb of the command line.

    Args:
        title: one line that says what it does.
        help: examples and what they give, below its flags in `--help`.
        arguments: adds its flags to a parser.
        run: does it; raises Py4castError for a user's mistake.
        when_stopped: how work goes on that a signal has ended.
    """

    title: str
    help: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]
    when_stopped: str = ""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line with the nearest valid flag; a place in the south, `-40,150`, is no flag."""

    def __init__(self, *words: Any, **named: Any) -> None:
        super().__init__(*words, **named)
        self._negative_number_matcher = re.compile(r"^-\.?\d[\d.,+-]*$")

    def error(self, message: str) -> NoReturn:
        words = message.split(": ", 1)
        if words[0] == "unrecognized arguments":
            flag = words[1].split()[0].split("=")[0]
            flags = [o for action in self._actions for o in action.option_strings if o.startswith("--")]
            message = f"unknown flag {flag}{nearest(flag, flags).split(' (valid')[0] if flag.startswith('-') else ''}"
        sys.stderr.write(f"{self.prog}: error: {visible(message)}; see {self.prog} --help\n")
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


def add_members(parser: argparse.ArgumentParser) -> None:
    """The flags that say how many members a strategy with noise makes."""
    parser.add_argument(
        "--num_members", type=whole, metavar="M",
        help="members that a strategy with noise makes of each state (default: num_members_val of its training)",
    )  # fmt: skip
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="of the members' noise (default: 0)")


def add_calibration(parser: argparse.ArgumentParser) -> None:
    """The flag that leaves a calibration away."""
    parser.add_argument(
        "--no_calibration",
        action="store_true",
        help="leave forecasts as the network makes them, whatever calibrate found",
    )


def add_experiment(p: argparse.ArgumentParser) -> None:
    """The flags that all experiments have."""
    p.add_argument("experiment", metavar="JSON", help="the experiment; see config/experiments")
    p.add_argument("--output", metavar="DIR", help="folder of what is found (default: the name of the file)")
    p.add_argument(
        "--set", action="append", default=[], metavar="PLACE=VALUE", dest="overrides",
        help="override one setting, such as seeds=[0,1]; may stand several times",
    )  # fmt: skip


def add_catalogue(p: argparse.ArgumentParser) -> None:
    """The flag that says where the catalogue is."""
    p.add_argument(
        "--catalogue", metavar="PLACE", help="folder, or .sqlite file (default: catalogue/ in PY4CAST_ROOTDIR)"
    )


def by_comma(text: str | None) -> list[str]:
    """The words of a text, parted by comma."""
    return [n for n in (text or "").split(",") if n]


def renames(texts: Sequence[str], form: str) -> dict[str, str]:
    """Name in the first source by name in the second, from `FIRST=SECOND` texts."""
    return {second: first for first, second in _pairs(texts, "rename", form)}


def _pairs(texts: Sequence[str], flag: str, form: str) -> list[tuple[str, str]]:
    """Both sides of texts with an equals sign; SettingsError names the first that is none."""
    pairs = []
    for text in texts:
        first, equals, second = text.partition("=")
        if not (first and equals and second):
            raise SettingsError(f"--{flag} {text!r}: expected {form}")
        pairs.append((first, second))
    return pairs


def units_of(texts: Sequence[str]) -> dict[str, str]:
    """Units by variable, from `NAME=UNITS` texts."""
    return dict(_pairs(texts, "units", "NAME=UNITS, such as t2m=degF"))


def files_of(texts: Sequence[str]) -> dict[str, list[str]]:
    """Files of further inputs by key, from `KEY=FILES` texts; a key that stands again has several."""
    by_key: dict[str, list[str]] = {}
    for key, pattern in _pairs(texts, "further", "KEY=FILES, such as stations=obs.csv"):
        by_key.setdefault(key, []).append(pattern)
    return by_key


def where_of(texts: Sequence[str]) -> dict[str, str]:
    """Keys that fields must have, from `KEY=VALUE` texts."""
    return dict(_pairs(texts, "where", "KEY=VALUE, such as stepType=max"))


def add_where(p: argparse.ArgumentParser) -> None:
    """The flag that chooses fields by the keys of their messages."""
    p.add_argument("--where", action="append", default=[], metavar="KEY=VALUE", help="only fields with this key of GRIB, such as stepType=max or gridType=reduced_gg, where files hold several of a name; may stand several times")  # fmt: skip


def keys_of(texts: Sequence[str]) -> dict[str, str | int | float]:
    """GRIB keys of `KEY=VALUE` texts, numbers as numbers."""
    keys: dict[str, str | int | float] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not (key and equals and value):
            raise SettingsError(f"--grib {text!r}: expected KEY=VALUE, such as centre=lfpw")
        keys[key] = value
        for kind in (float, int):
            try:
                keys[key] = kind(value)
            except ValueError:
                continue
    return keys


def strip(overrides: Sequence[str]) -> list[str]:
    """The dataset's overrides, without the first word that the other verbs share with train."""
    for override in overrides:
        if not override.startswith("dataset."):
            raise SettingsError(f"--set {override!r}: expected dataset.PLACE=VALUE, such as dataset.root=DIR")
    return [o.removeprefix("dataset.") for o in overrides]
