import numpy as np
import torch

from py4cast.metrics.case import Case
from py4cast.metrics.maps import ErrorMaps
from tests.metrics.layouts import layout

CELLS = (2, 3)
LAYOUT = layout(1, CELLS, torch.ones(CELLS).double(), scales=(1,))


def case_of(error: float, missing: tuple[int, int] | None = None) -> Case:
    truth = torch.zeros(*CELLS, 3)
    if missing is not None:
        truth[missing] = torch.nan
    return Case(LAYOUT, torch.full((*CELLS, 3), error), truth)


def maps_of(*steps: tuple[Case, ...]) -> ErrorMaps:
    maps = ErrorMaps()
    maps.make_room(len(steps), (*CELLS, 3), torch.device("cpu"))
    for step, cases in enumerate(steps):
        for case in cases:
            maps.add(case, step)
    return maps


def test_mean_and_root_of_the_mean_square_in_every_cell() -> None:
    maps = maps_of((case_of(3.0), case_of(-1.0)), (case_of(2.0),))
    assert maps.bias().shape == maps.rmse().shape == (2, *CELLS, 3)
    assert (maps.bias()[0] == 1.0).all() and (maps.bias()[1] == 2.0).all()
    np.testing.assert_allclose(maps.rmse()[0], np.sqrt(5.0), rtol=1e-15)


def test_cells_are_divided_by_their_own_number_of_forecasts() -> None:
    maps = maps_of((case_of(3.0), case_of(-1.0, missing=(0, 1)), case_of(1.0)))
    assert maps.bias()[0, 0, 1].tolist() == [2.0] * 3 and maps.bias()[0, 1, 1].tolist() == [1.0] * 3
    never = maps_of((case_of(3.0, missing=(1, 2)),))
    assert never.bias()[0, 1, 2].isnan().all() and never.rmse()[0, 1, 2].isnan().all()
    assert float(never.bias()[0, 0, 0, 0]) == 3.0


def test_room_is_made_once() -> None:
    maps = maps_of((case_of(3.0),))
    maps.make_room(1, (*CELLS, 3), torch.device("cpu"))
    assert (maps.bias() == 3.0).all()
    assert ErrorMaps().is_empty and not maps.is_empty


def test_packs_make_the_whole() -> None:
    first = maps_of((case_of(3.0), case_of(-1.0, missing=(0, 1))), (case_of(2.0),))
    second = maps_of((case_of(4.0),), (case_of(0.0),))
    whole = maps_of((case_of(3.0), case_of(-1.0, missing=(0, 1)), case_of(4.0)), (case_of(2.0), case_of(0.0)))
    gathered = ErrorMaps()
    for part in (ErrorMaps(), first, second, ErrorMaps()):
        gathered.add_packed(part.pack())
    np.testing.assert_allclose(gathered.bias(), whole.bias(), rtol=1e-15)
    np.testing.assert_allclose(gathered.rmse(), whole.rmse(), rtol=1e-15)
    gathered.add(case_of(8.0), 1)
    assert (gathered.bias()[1] == 10 / 3).all()
