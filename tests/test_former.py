import importlib
import sys
import warnings

import pytest

from py4cast.former import FORMER


def fresh(name: str):
    for module in [m for m in sys.modules if m == name or m.startswith(f"{name}.")]:
        del sys.modules[module]
    return importlib.import_module(name)


@pytest.mark.parametrize("name", FORMER)
def test_every_former_module_gives_the_public_names_of_today(name: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"py4cast.{name} is now py4cast"):
        former = fresh(f"py4cast.{name}")
    seen = set()
    for home in FORMER[name]:
        today = importlib.import_module(f"py4cast.{home}")
        for public in set(getattr(today, "__all__", ())) - seen:
            assert getattr(former, public) is getattr(today, public)
            seen.add(public)
    with pytest.raises(AttributeError, match=f"module 'py4cast.{name}' has no attribute 'no_such_name'"):
        _ = former.no_such_name


def test_files_of_a_former_room_are_found_too() -> None:
    with pytest.warns(DeprecationWarning):
        former = fresh("py4cast.datasets.foreign.base")
    from py4cast.cubes.foreign.base import ForeignCube

    assert former.ForeignCube is ForeignCube


def test_what_was_made_of_two_modules_is_found_in_both() -> None:
    with pytest.warns(DeprecationWarning):
        former = fresh("py4cast.datasets.cube")
    assert former.CubeABC.__module__ == "py4cast.cubes.base" and former.MemoryCube.__module__ == "py4cast.cubes.memory"


def test_a_module_that_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("py4cast.datasets.nothing")
    with pytest.raises(ModuleNotFoundError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module("py4cast.datasets.foreign.nothing")


@pytest.mark.parametrize(
    ("room", "name"),
    [
        ("train", "train"), ("train", "process_rank"), ("forecast", "forecast"), ("forecast", "Forecast"),
        ("verify", "verify"), ("verify", "SplitCase"), ("export", "Export"), ("inspect", "inspect"), ("cycle", "Cycle"),
        ("catalogue", "Catalogue"),
    ],
)  # fmt: skip
def test_a_room_offers_what_its_module_did(room: str, name: str) -> None:
    module = importlib.import_module(f"py4cast.workflows.{room}")
    assert callable(getattr(module, name))
    with pytest.raises(AttributeError):
        _ = module.no_such_name
