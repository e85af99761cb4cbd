import tomllib

from py4cast.version import __version__
from tests.conftest import ROOT


def test_the_package_is_installed_under_this_version() -> None:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert document["project"]["dynamic"] == ["version"]
    assert document["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "py4cast.version.__version__"}
    assert [part.isdigit() for part in __version__.split(".")] == [True] * 3
