from typing import Any

import pytest

from py4cast.errors import SettingsError
from py4cast.workflows.forecast.request import Forecast


def asked(**changes: Any) -> Forecast:
    words = {"forecaster": "f.safetensors", "output": ["o.nc"], "num_steps": 1, "init_time": "2020-01-01", **changes}
    return Forecast(**words)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_steps": 0}, "--num_steps 0: expected at least 1"),
        ({"num_members": 0}, "--num_members 0: expected at least 1"),
        ({"stations": "s.csv"}, "--stations FILE and --series FILE come together"),
        ({"series": "s.csv"}, "--stations FILE and --series FILE come together"),
        ({"output": []}, "nothing to write: give --output FILE, --series FILE or --overlay DIR"),
        ({"output": ["a.nc", "{step}.nc"]}, r"--output '\{step\}.nc': unknown place \{step\}"),
        ({"stations": "s.csv", "series": "{x}.csv"}, r"--series '\{x\}.csv': unknown place"),
        ({"overlay": "{y}"}, r"--overlay '\{y\}': unknown place"),
        ({"perturb_size": 3.0}, "--perturb_size 3 goes with --perturb spectrum or bred"),
        ({"boundary": ["b.nc"]}, "--boundary, --rename, --members and --regrid go with --input FILES"),
        ({"renamed": {"t": "t2m"}}, "go with --input FILES"),
        ({"members": [1]}, "go with --input FILES"),
        ({"regrid": "linear"}, "go with --input FILES"),
        ({"init_time": None}, "--init_time is needed, but with --input FILES, whose last time is taken"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        asked(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"input": ["i.nc"], "init_time": None, "boundary": ["b.nc"], "members": [0], "regrid": "mean"},
        {"output": [], "overlay": "maps_{init_time}"},
        {"output": [], "stations": "s.csv", "series": "{lead_time}.csv"},
        {"num_members": 1},
    ],
)
def test_what_goes_together_is_taken(changes: dict[str, Any]) -> None:
    request = asked(**changes)
    assert {name: getattr(request, name) for name in changes} == changes
