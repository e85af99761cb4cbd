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


def test_the_nearest_name_is_told_whatever_its_case() -> None:
    assert nearest("HalfUnett", ["unet", "halfunet"]) == "; did you mean 'halfunet'? (valid: halfunet, unet)"
    assert nearest("xyz", ["unet", "halfunet"]) == "; valid: halfunet, unet"
    assert nearest("xyz", []) == "; nothing is valid here"


def test_many_names_are_cut() -> None:
    text = nearest("xyz", [f"n{i:03d}" for i in range(40)])
    assert text.endswith("n029, ...") and "n030" not in text
