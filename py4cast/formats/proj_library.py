"""pyproj, loaded before ecCodes wherever it stands.

The wheels of both carry a PROJ library. Where ecCodes' comes first, pyproj takes it for its own: it finds no database,
and the interpreter crashes when it ends. The other way round both work. pyproj comes with MetPy and cartopy, and xarray
loads it with the first file that it opens where MetPy is installed. In a program that has loaded ecCodes already it is left alone.
"""

import contextlib
import importlib
import sys

__all__: list[str] = []

if "gribapi" not in sys.modules:  # the bindings of ecCodes
    # broken or absent, it is of no use here: what needs it says so
    with contextlib.suppress(Exception):
        importlib.import_module("pyproj")
