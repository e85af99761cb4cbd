from collections.abc import Iterator

import pytest

from py4cast.physics import registry
from tests.strategies.hybrid.decays import KINDS


@pytest.fixture
def decays() -> Iterator[None]:
    """The closed-form physics under their names."""
    for name, kind in KINDS.items():
        registry.register(name, kind)
    yield
    for name in KINDS:
        registry.unregister(name)
