from typing import Any

import pytest

from py4cast.cubes.source_settings import BoxSettings, SourceSettings
from py4cast.errors import SettingsError


def test_sources_lie_within_sources() -> None:
    document = {
        "join": [
            {"store": "a", "select": ["t"], "rename": {"t": "t2m"}},
            {"concat": [{"store": "b"}, {"store": "c"}], "fill_missing": True, "regrid": "nearest"},
        ],
        "box": {"south": 40, "north": 50.5, "west": -5, "east": 9},
        "thinning": 2,
        "members": [0, 3],
    }
    settings = SourceSettings.from_dict(document)
    assert settings.join is not None and settings.box == BoxSettings(south=40.0, north=50.5, west=-5.0, east=9.0)
    first, second = settings.join
    assert str(first.store) == "a" and first.select == ("t",) and first.rename == {"t": "t2m"}
    assert second.concat is not None and [str(s.store) for s in second.concat] == ["b", "c"]
    assert second.fill_missing and second.regrid == "nearest" and second.method == "linear"
    assert settings.members == (0, 3) and SourceSettings.from_dict(settings.to_dict()) == settings


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "give one of store, join, concat, cutout, found none"),
        ({"store": "a", "concat": [{"store": "b"}]}, "give one of .*, found store and concat"),
        ({"join": []}, "join: no source given"),
        ({"cutout": []}, "cutout: no source given"),
        ({"concat": []}, "concat: no source given"),
        ({"store": "a", "start": "yesterday"}, "time 'yesterday': expected UTC"),
        ({"store": "a", "end": "2020-01-01T00+01:00"}, "without offset"),
        ({"store": "a", "frequency": "often"}, "duration 'often'"),
        ({"store": "a", "frequency": "0h"}, "duration '0h'"),
        ({"store": "a", "thinning": 0}, "thinning must be at least 1, found 0"),
        (
            {"store": "a", "subgrid": [0, 1, 0, 1], "box": {"south": 1, "north": 2, "west": 3, "east": 4}},
            "give subgrid or box, not both",
        ),
        ({"store": "a", "regrid": "cubic"}, "regrid"),
        ({"store": "a", "box": {"south": 1, "north": 2, "west": 3}}, "box.east: missing"),
    ],
)
def test_what_is_no_source_is_refused(document: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        SourceSettings.from_dict(document)
