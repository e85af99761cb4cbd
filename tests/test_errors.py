from pathlib import Path

import pytest

from py4cast import errors
from py4cast.errors import nearest


@pytest.mark.parametrize(
    ("kind", "status", "base"),
    [
        ("SettingsError", 2, ValueError),
        ("DataError", 3, ValueError),
        ("NumericalError", 4, ArithmeticError),
        ("SpaceError", 1, OSError),
        ("BusyError", 1, RuntimeError),
    ],
)
def test_each_kind_has_its_exit_status(kind: str, status: int, base: type) -> None:
    error = getattr(errors, kind)("what and where")
    assert error.status == status and isinstance(error, base) and isinstance(error, errors.Py4castError)
    assert str(error) == "what and where"


def test_addresses_have_both_of_their_slashes() -> None:
    path = Path("https://host/models/a.zarr")
    assert str(path) == "https:/host/models/a.zarr"
    assert str(errors.DataError(f"{path}: no such file")) == "https://host/models/a.zarr: no such file"
    assert (
        str(errors.SpaceError(f"s3:/bucket/a and s3://bucket/b of {Path('/a/b')}"))
        == "s3://bucket/a and s3://bucket/b of /a/b"
    )
    assert str(errors.SettingsError("axis: /a, https: none")) == "axis: /a, https: none"


def test_the_nearest_name_is_told_whatever_its_case() -> None:
    assert nearest("HalfUnett", ["unet", "halfunet"]) == "; did you mean 'halfunet'? (valid: halfunet, unet)"
    assert nearest("xyz", ["unet", "halfunet"]) == "; valid: halfunet, unet"
    assert nearest("xyz", []) == "; nothing is valid here"


def test_many_names_are_cut() -> None:
    text = nearest("xyz", [f"n{i:03d}" for i in range(40)])
    assert text.endswith("n029, ...") and "n030" not in text


def test_an_error_that_says_nothing_is_called_by_its_kind() -> None:
    from py4cast.errors import first_line

    assert first_line(ValueError()) == "ValueError" and first_line(KeyError("x")) == "'x'"
    assert first_line(OSError("\n one\ntwo")) == "one"
