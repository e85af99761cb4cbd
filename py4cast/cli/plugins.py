"""plugins: what can be used by name."""

import argparse

from py4cast.cli.base import Verb

__all__ = ["VERB"]


def _arguments(p: argparse.ArgumentParser) -> None:
    """The flags of plugins."""
    p.add_argument("--broken", action="store_true", help="show only what cannot be used")


def _run(a: argparse.Namespace) -> None:
    from py4cast.workflows.plugins import plugins
    from py4cast.workflows.terminal import show

    show(plugins(a.broken))


VERB = Verb("list what can be used by name, and from where", "", _arguments, _run)
