"""Every filter, physics and closure keeps its contract."""

from dataclasses import fields

import pytest

from py4cast.physics import registry as physics
from py4cast.physics.closures import closures
from py4cast.planes.filters import registry as filters
from py4cast.testing import check_closure, check_filter, check_physics

EXTRA = {"sum_over": {"step": "1h", "window": "3h"}, "mean_rate": {"step": "1h"}}


@pytest.mark.parametrize("name", filters.builtin_names)
def test_every_filter_keeps_the_contract(name: str) -> None:
    kind = filters.get(name)
    known = {f.name for f in fields(kind.settings_kls)}
    settings = {argument: argument for argument in kind.arguments}
    settings |= {key: value for key, value in EXTRA.get(name, {}).items() if key in known}
    check_filter(name, settings)


@pytest.mark.parametrize("name", physics.builtin_names)
def test_every_physics_keeps_the_contract(name: str) -> None:
    check_physics(name)


@pytest.mark.parametrize("name", closures.builtin_names)
def test_every_closure_keeps_the_contract(name: str) -> None:
    check_closure(name)
