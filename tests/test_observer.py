import pytest

from py4cast import observer, observers


@pytest.mark.parametrize("name", observer.__all__)
def test_the_older_home_offers_the_very_classes(name: str) -> None:
    assert getattr(observer, name) is getattr(observers, name)
