import pytest
import torch

from py4cast.errors import SettingsError
from py4cast.strategies.hybrid.couplings import COUPLINGS, Correction, Replacement, Tendency
from tests.strategies.hybrid.decays import CELLS, INFO, Decay, DecaySettings, factor

STATE = torch.full((1, *CELLS, 2), 8.0)
RATE = torch.full((1, *CELLS, 2), 3e-4)


def decay() -> Decay:
    return Decay(DecaySettings(rate=1e-4), INFO.grid)


def test_a_tendency_acts_at_every_instant() -> None:
    """The state rests where decay and rate balance, at 3e-4/1e-4 = 3, and goes there from elsewhere."""
    coupling = Tendency(decay(), None)
    rest = torch.full_like(STATE, 3.0)
    torch.testing.assert_close(coupling.advance(rest, RATE, 600.0, 5, None), rest)
    expected = 3.0 + (STATE - 3.0) * factor(600.0) ** 5
    torch.testing.assert_close(coupling.advance(STATE, RATE, 600.0, 5, None), expected)


def test_a_correction_is_added_after_the_steps() -> None:
    later = Correction(decay(), None).advance(STATE, RATE, 600.0, 5, None)
    torch.testing.assert_close(later, STATE * factor(600.0) ** 5 + 3000.0 * RATE)


def test_a_forcing_acts_through_the_physics() -> None:
    forcing = torch.full_like(STATE, 5e-4)
    for kind in (Tendency, Correction):
        later = kind(decay(), None).advance(torch.full_like(STATE, 5.0), 0 * RATE, 600.0, 2, forcing)
        torch.testing.assert_close(later, torch.full_like(STATE, 5.0))


def test_a_replaced_term_is_gone() -> None:
    physics = decay()
    coupling = Replacement(physics, "decay")
    assert physics.is_left_out
    torch.testing.assert_close(coupling.advance(STATE, RATE, 600.0, 5, None), STATE + 3000.0 * RATE)


@pytest.mark.parametrize("name", ["tendency", "correction"])
def test_only_a_replacement_names_a_term(name: str) -> None:
    with pytest.raises(SettingsError, match="term 'decay': only coupling=replacement replaces a term"):
        COUPLINGS[name](decay(), "decay")


def test_a_replacement_names_a_term_that_there_is() -> None:
    with pytest.raises(SettingsError, match="coupling=replacement: set the term that the network replaces; decay, f"):
        Replacement(decay(), None)
    with pytest.raises(SettingsError, match="physics Decay: no term 'decy'; did you mean 'decay'"):
        Replacement(decay(), "decy")
