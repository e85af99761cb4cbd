"""The command line: a verb is one file here, and where it is large one room in `workflows/`."""

from py4cast.cli.main import main

__all__ = ["main"]
