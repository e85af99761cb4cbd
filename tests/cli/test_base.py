import argparse

import pytest

from py4cast.cli.base import Parser, Verb, add_data, add_members, by_comma, renames, strip, whole
from py4cast.cli.main import _VERBS, _verb
from py4cast.errors import SettingsError


@pytest.mark.parametrize("name", _VERBS)
def test_every_verb_is_one_file_with_flags_and_a_call(name: str) -> None:
    verb = _verb(name)
    assert isinstance(verb, Verb) and len(verb.title.split()) > 3 and callable(verb.run)
    parser = argparse.ArgumentParser()
    verb.arguments(parser)
    assert all(action.help for action in parser._actions), "every flag says what it does"


def test_an_unknown_flag_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser(prog="py4cast verb")
    add_data(parser, None, "dummy")
    add_members(parser)
    with pytest.raises(SystemExit) as stopped:
        parser.parse_args(["--datset", "x"])
    assert stopped.value.code == 2
    assert "unknown flag --datset; did you mean '--dataset'?; see py4cast verb --help" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parser.parse_args(["--num_members", "2.5"])
    assert "expected a whole number, found '2.5'" in capsys.readouterr().err


def test_texts_that_hold_several_things() -> None:
    assert by_comma("a,b,,c") == ["a", "b", "c"] and by_comma(None) == by_comma("") == []
    assert renames(["2t=t2m", "u=u10"], "A=B") == {"t2m": "2t", "u10": "u"}
    assert strip(["dataset.root=/x", "dataset.grid.border_size=2"]) == ["root=/x", "grid.border_size=2"]
    assert whole("-3") == -3


@pytest.mark.parametrize("text", ["t2m", "=t2m", "2t=", ""])
def test_a_rename_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=f"--rename '{text}': expected INPUT=FORECASTER"):
        renames([text], "INPUT=FORECASTER")


def test_an_override_of_something_else_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"--set 'model\.width=3': expected dataset\.PLACE=VALUE"):
        strip(["model.width=3"])
