import pytest

from py4cast.text import csv_cell, csv_text, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("t2m", "t2m"), ("Größe 🌦", "Größe 🌦"), ("\x1b[31mred", "\\x1b[31mred"), ("a\u202eb", "a\\u202eb"), ("a\nb", "a\\nb"),
        ("\ud800", "\\ud800"), ("a\u200bb", "a\\u200bb"), ("\x9b2J", "\\x9b2J"), (3, "3"),
    ],
)  # fmt: skip
def test_what_a_terminal_would_obey_is_shown(text: object, shown: str) -> None:
    assert visible(text) == shown


def test_what_is_kept_stays() -> None:
    assert visible("a\nb\tc", keep="\n") == "a\nb\\tc"


@pytest.mark.parametrize(("text", "cell"), [("=1+1", "'=1+1"), ("@x", "'@x"), ("+cmd|'calc'!A1", "'+cmd|'calc'!A1"), ("-a", "'-a"), ("\tx", "'\tx")])  # fmt: skip
def test_a_formula_is_text_and_comes_back(text: str, cell: str) -> None:
    assert csv_cell(text) == cell and csv_text(cell) == text


@pytest.mark.parametrize("text", ["t2m", "-12.5", "+3e4", "", "'quoted'", "a=b", "-inf"])
def test_numbers_and_names_are_as_they_are(text: str) -> None:
    assert csv_cell(text) == text and csv_text(text) == text
