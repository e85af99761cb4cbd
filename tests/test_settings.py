import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from py4cast.errors import SettingsError
from py4cast.settings import Settings, apply_overrides, cache_dir, decode, encode, read_json, root_dir, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner(Settings):
    """Inner."""

    size: int = setting(3, "how many")
    mode: Literal["fast", "slow"] = setting("fast", "how")

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError("size must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer(Settings):
    """Outer."""

    name: str = setting(help="a name")
    rate: float = setting(0.5, "a rate")
    flag: bool = setting(False, "a flag")
    path: Path | None = setting(None, "a path")
    inner: Inner = setting(factory=Inner, help="nested")
    maybe: Inner | None = setting(None, "perhaps nested")
    pair: tuple[int, float] = setting((1, 2.0), "two numbers")
    many: tuple[str, ...] = setting((), "texts")
    table: dict[str, Inner] = setting(factory=dict, help="by name")


FULL: dict[str, Any] = {
    "name": "x",
    "rate": 2,
    "path": "a/b",
    "inner": {"size": 1, "mode": "slow"},
    "maybe": {"size": 2},
    "pair": [4, 5],
    "many": ["a"],
    "table": {"k": {"mode": "slow"}},
}


def test_reads_every_type_and_round_trips() -> None:
    read = Outer.from_dict(FULL)
    assert read.rate == 2.0 and type(read.rate) is float
    assert read.path == Path("a/b") and read.pair == (4, 5.0) and read.many == ("a",)
    assert read.table == {"k": Inner(mode="slow")} and read.maybe == Inner(size=2)
    assert Outer.from_dict(json.loads(json.dumps(read.to_dict()))) == read


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nam": 1}, r"nam: unknown setting; did you mean 'name'\?"),
        ({"inner": {"sise": 1}}, r"inner\.sise: unknown setting; did you mean 'size'\?"),
        ({"table": {"k": {"size": "1"}}}, r'table\.k\.size: expected int, found "1"'),
        (
            {"maybe": {"mode": "fats"}},
            r"maybe\.mode: expected one of 'fast', 'slow', found \"fats\"; did you mean 'fast'",
        ),
        ({"inner": {"size": 2.7}}, r"inner\.size: expected int, found 2\.7"),
        ({"inner": {"size": True}}, r"inner\.size: expected int, found true"),
        ({"inner": {"size": None}}, r"inner\.size: expected int, found null"),
        ({"rate": True}, "rate: expected number, found true"),
        ({"flag": 1}, "flag: expected true or false, found 1"),
        ({"path": 3}, "path: expected path or null, found 3"),
        ({"pair": [1]}, "pair: expected 2 values, found 1"),
        ({"many": "abc"}, 'many: expected list of .* found "abc"'),
        ({"inner": {"size": -1}}, "inner: size must not be negative"),
        ({"inner": 4}, "inner: expected object, found 4"),
    ],
)
def test_names_place_expectation_and_finding(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Outer.from_dict({**FULL, **change})


def test_reports_every_mistake_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Outer.from_dict({"rate": "fast", "inner": {"mode": 3}, "x": 1})
    text = str(caught.value)
    assert all(part in text for part in ("name: missing", "rate: expected", "inner.mode: expected", "x: unknown"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', "'a' stands twice"),
        ('{"a": NaN}', "NaN is not a number"),
        ('{"a": Infinity}', "Infinity is not a number"),
        ("[1]", "expected a JSON object"),
        ("{", "not valid JSON"),
        ("[" * 100_000, "nested deeper"),
        ('{"a":' * 70 + "1" + "}" * 70, "nested deeper"),
        ("\udcff", "cannot be read"),
    ],
)
def test_bad_json_is_one_error(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bad.json"
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(SettingsError, match=message):
        read_json(file)


def test_overflowing_number_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"name": "x", "rate": 1e999}')
    with pytest.raises(SettingsError, match="rate: expected number"):
        Outer.from_json(tmp_path / "a.json")


def test_missing_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "titan.json").write_text("{}")
    with pytest.raises(SettingsError, match=r"tittan.json: no such file; did you mean 'titan.json'"):
        read_json(tmp_path / "tittan.json")


def test_overrides_reach_every_depth(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(FULL))
    read = Outer.from_json(
        tmp_path / "a.json", ["inner.size=7", "maybe.mode=slow", 'many=["p","q"]', "name=true story"]
    )
    assert (read.inner.size, read.maybe, read.many, read.name) == (
        7,
        Inner(size=2, mode="slow"),
        ("p", "q"),
        "true story",
    )
    with pytest.raises(SettingsError, match="expected PLACE=VALUE"):
        apply_overrides(FULL, ["inner.size"])
    with pytest.raises(SettingsError, match="name is .* not an object"):
        apply_overrides(FULL, ["name.size=3"])


def test_older_plain_dataclasses_are_read_strictly() -> None:
    @dataclass(slots=True)
    class Plain:
        width: int = 4

    assert decode(Plain, {"width": 5}) == Plain(5)
    with pytest.raises(SettingsError, match="widht: unknown setting; did you mean 'width'"):
        decode(Plain, {"widht": 5})


def test_help_lists_nested_fields() -> None:
    rows = {row[0]: row for row in Outer.help()}
    assert rows["inner.size"][1:] == ("int", "3", "how many") and rows["name"][2] == ""


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*FULL, "size", "mode", "z"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(json_values)
def test_any_document_is_read_or_refused_by_settings_error(document: Any) -> None:
    try:
        read = decode(Outer, document)
    except SettingsError:
        return
    assert decode(Outer, json.loads(json.dumps(encode(read)))) == read


def test_roots_are_read_when_called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PY4CAST_ROOTDIR", str(tmp_path / "one"))
    assert root_dir() == tmp_path / "one" and cache_dir() == tmp_path / "one" / "cache"
    monkeypatch.delenv("PY4CAST_ROOTDIR")
    monkeypatch.chdir(tmp_path)
    assert root_dir() == tmp_path / "py4cast_runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles(Settings):
    roles: dict[str, Inner] | None = setting(None, "of variables")
    steps: tuple[int, ...] | str = setting("all", "some of them")


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"roles": {"msl": {"nam": "x"}}}, r"roles.msl.nam: unknown setting"),
        ({"roles": 3}, r"roles: expected object of object or null, found 3"),
        ({"steps": [1, "b"]}, r'steps\[1\]: expected int, found "b"'),
        ({"steps": 2.5}, r"steps: expected list of \[int, ...\] or text, found 2.5"),
    ],
)
def test_what_is_wrong_within_an_object_that_may_be_left_out_is_told(document: dict, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        Roles.from_dict(document)
