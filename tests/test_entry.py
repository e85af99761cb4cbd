import numpy as np
import pytest
import torch

from py4cast.batch import ItemBatch
from py4cast.entry import Entry, check_finite, random_state
from py4cast.errors import DataError, NumericalError
from py4cast.given import Given
from py4cast.testing import make_batch, make_info

INFO = make_info((6, 8))
BATCH = make_batch(INFO)


def test_values_are_standardised_once_by_their_own_statistics() -> None:
    samples = Entry(INFO, ()).samples(BATCH, 2, True)
    mean, std = INFO.stats.to_list("mean", INFO.prognostic), INFO.stats.to_list("std", INFO.prognostic)
    torch.testing.assert_close(samples.states, (BATCH.inputs.tensor - mean) / std)
    mean, std = INFO.stats.to_list("mean", INFO.predicted), INFO.stats.to_list("std", INFO.predicted)
    torch.testing.assert_close(samples.truth, (BATCH.outputs.tensor - mean) / std)
    assert samples.border is samples.truth and samples.init_time is BATCH.init_time and samples.num_steps == 3


def test_any_order_of_features_is_brought_to_the_forecasters() -> None:
    turned = BATCH.outputs[list(reversed(INFO.predicted))]
    other = ItemBatch({**BATCH.fields, "outputs": turned}, init_time=BATCH.init_time)
    entry = Entry(INFO, ())
    assert torch.equal(entry.samples(other, 2, True).truth, entry.samples(BATCH, 2, True).truth)


def test_a_driving_model_is_imposed_where_the_border_is_forced() -> None:
    driver = BATCH.outputs[INFO.prognostic].like(BATCH.outputs[INFO.prognostic].tensor + 5)
    batch = ItemBatch({**BATCH.fields, "boundary": driver}, init_time=BATCH.init_time)
    entry = Entry(INFO, ())
    assert entry.samples(batch, 2, False).border is not None
    torch.testing.assert_close(entry.samples(batch, 2, False).border, entry.samples(BATCH, 2, False).truth)
    border = entry.samples(batch, 2, True).border
    torch.testing.assert_close(border[..., :2], entry.states.standardise(driver.tensor))
    assert bool(torch.isnan(border[..., 2:]).all()), "diagnostics have no border"


def test_what_is_given_of_a_step_may_be_states_alone() -> None:
    entry, state = Entry(INFO, ()), BATCH.inputs.tensor[:, 0]
    given = entry.given(Given(BATCH.forcing.tensor[:, 0], state, {}, torch.ones(2, 3)))
    assert given.border.shape[-1] == 3 and bool(torch.isnan(given.border[..., 2]).all())
    assert torch.equal(given.noise, torch.ones(2, 3)), "noise is standard normal already"
    assert entry.given(Given()) == (None, None, {}, None)


def test_what_lacks_is_named() -> None:
    entry = Entry(INFO, ())
    with pytest.raises(DataError, match="2 past states given; this Forecaster takes 1"):
        entry.samples(BATCH, 1, True)
    with pytest.raises(DataError, match="no forcing given; this Forecaster needs f, g"):
        entry.samples(ItemBatch(inputs=BATCH.inputs, outputs=BATCH.outputs), 2, True)
    with pytest.raises(DataError, match=r"features \['b'\] are missing; given \['a'\]"):
        entry.samples(ItemBatch({**BATCH.fields, "inputs": BATCH.inputs[["a"]]}), 2, True)


def test_a_forecast_that_is_not_finite_names_variable_place_and_lead_time() -> None:
    forecast = torch.zeros(2, 6, 8, 3)
    check_finite(forecast, INFO, 0)
    check_finite(torch.zeros(2, 4, 6, 8, 3), INFO, 0)
    forecast[1, 2, 3, 1] = torch.inf
    row, column = INFO.grid.latitude[2], INFO.grid.longitude[3]
    with pytest.raises(NumericalError, match=f"forecast of b is not finite at lead time 7200 seconds, first at row 2, column 3 .{row:.2f} N {column:.2f} E"):  # fmt: skip
        check_finite(forecast, INFO, 1)
    members = torch.zeros(2, 4, 6, 8, 3)
    members[1, 3, 2, 3, 0] = np.nan
    with pytest.raises(NumericalError, match="forecast of a is not finite"):
        check_finite(members, INFO, 1)


def test_the_state_of_the_generator_changes_with_a_draw() -> None:
    before = random_state(torch.device("cpu"))
    assert torch.equal(before, random_state(torch.device("cpu")))
    torch.randn(1)
    assert not torch.equal(before, random_state(torch.device("cpu")))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
def test_a_draw_on_the_accelerator_shows() -> None:
    before = random_state(torch.device("cuda"))
    torch.randn(1, device="cuda")
    assert not torch.equal(before, random_state(torch.device("cuda")))
