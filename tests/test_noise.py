import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from py4cast.noise import Noise

START = np.datetime64("2020-01-01T00", "s")
HOUR = np.timedelta64(3600, "s")


def test_numbers_depend_on_seed_start_member_and_step_alone() -> None:
    noise = Noise("cells", 3)
    whole = noise.draw(7, START + np.arange(4) * HOUR, range(5), 2, (6, 8))
    assert whole.shape == (4, 5, 6, 8, 3) and whole.dtype == np.float32
    alone = noise.draw(7, START + 3 * HOUR, [4], 2, (6, 8))
    assert np.array_equal(alone[0, 0], whole[3, 4]), "whatever the batch and the number of members"
    for other in (
        noise.draw(8, START, [0], 2, (6, 8)),
        noise.draw(7, START + HOUR, [0], 2, (6, 8)),
        noise.draw(7, START, [1], 2, (6, 8)),
        noise.draw(7, START, [0], 3, (6, 8)),
    ):
        assert np.abs(other[0, 0] - whole[0, 0]).min() > 0


def test_a_thousand_members_are_all_different_and_standard_normal() -> None:
    numbers = Noise("vector", 32).draw(0, START, range(1000), 0, (4, 4))[0]
    assert numbers.shape == (1000, 32) and len(np.unique(numbers[:, 0])) == 1000
    assert abs(numbers.mean()) < 0.02 and abs(numbers.std() - 1) < 0.02
    assert abs(np.corrcoef(numbers[:-1, 0], numbers[1:, 0])[0, 1]) < 0.1


def test_the_numbers_of_today_are_those_of_tomorrow() -> None:
    numbers = Noise("vector", 3).draw(1, START, [2], 3, (4, 4))[0, 0]
    np.testing.assert_allclose(numbers, GOLDEN, rtol=1e-6)


@given(st.integers(0, 2**62), st.integers(0, 10_000), st.integers(0, 500))
def test_times_may_be_of_any_resolution(seed: int, member: int, step: int) -> None:
    noise = Noise("vector", 2)
    one = noise.draw(seed, START, [member], step, (1, 1))
    assert np.array_equal(one, noise.draw(seed, START.astype("datetime64[ns]"), [member], step, (1, 1)))


def test_it_round_trips_and_refuses_other_kinds() -> None:
    assert Noise.from_dict(Noise("cells", 4).to_dict()) == Noise("cells", 4)
    assert Noise.from_dict({}) == Noise() and not Noise() and Noise("vector", 1)
    assert Noise("vector", 5).shape((3, 4)) == (5,) and Noise("cells", 5).shape((3, 4)) == (3, 4, 5)
    with pytest.raises(ValueError, match="noise: unknown kind 'rows', expected none, vector or cells"):
        Noise.from_dict({"kind": "rows", "size": 1})


GOLDEN = [1.499536, 0.2307162, -0.7788785]
