import pytest

from py4cast.datasets.titan_parameters import GRIDS, LEVELS, PARAMETERS
from py4cast.units import conversion
from py4cast.variables import KNOWN


@pytest.mark.parametrize("name", GRIDS)
def test_rows_and_columns_of_a_grid_fill_its_extent(name: str) -> None:
    grid = GRIDS[name]
    rows, columns = grid.shape
    assert (rows - 1) * grid.spacing == pytest.approx(grid.north - grid.south, abs=1e-9)
    assert (columns - 1) * grid.spacing == pytest.approx(grid.east - grid.west, abs=1e-9)


def test_levels_go_up_and_stand_once() -> None:
    assert list(LEVELS) == sorted(set(LEVELS), reverse=True)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_lies_in_a_file_of_its_grid(name: str) -> None:
    parameter = PARAMETERS[name]
    assert parameter.grid in GRIDS and parameter.file.startswith(parameter.grid)
    models = {"aro": ("PAAROME_1S100", "PAAROME_1S40"), "arp": ("PA_01D",), "ant": ("ANTJP7CLIM_1S100",)}
    assert parameter.grid in models[name[:3]]
    assert (parameter.level is None) == (parameter.type_of_level == "isobaricInhPa")
    assert (parameter.level is None) == parameter.file.endswith("ISOBARE.grib")


@pytest.mark.parametrize("name", [n for n, p in PARAMETERS.items() if p.short_name in KNOWN])
def test_what_is_known_of_a_parameter_is_what_the_table_says(name: str) -> None:
    parameter = PARAMETERS[name]
    known = KNOWN[parameter.short_name]
    assert known.standard_name == parameter.standard_name
    assert conversion(known.units, parameter.units) == (1.0, 0.0)


def test_the_same_quantity_has_one_name_and_units_in_both_models() -> None:
    both = [name[4:] for name in PARAMETERS if name.startswith("arp_")]
    assert len(both) == 10
    for name in both:
        coarse, fine = PARAMETERS[f"arp_{name}"], PARAMETERS[f"aro_{name}"]
        assert coarse[:5] == fine[:5], name
