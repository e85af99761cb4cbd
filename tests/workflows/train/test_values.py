"""A split without values of what is predicted is refused before anything is learned; a variable without any is left out of errors."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py4cast.errors import DataError
from py4cast.forecaster import Forecaster
from py4cast.workflows.config import RunConfig, build_config
from py4cast.workflows.train.run import train
from tests.weather_files import describe, wave_fields, write_netcdf

# instants of the periods of `describe`
SPLITS = {"train": slice(0, 24), "valid": slice(24, 36), "test": slice(36, 48)}


def asked(folder: Path, lacking: slice, names: tuple[str, ...]) -> RunConfig:
    """A run on two variables, of which some have none within the border over a while."""
    fields = {"t": wave_fields(), "q": wave_fields(seed=1)}
    for name in names:
        fields[name][lacking, 1:] = np.nan  # a row of the border stays, so that the instants count as there
    write_netcdf(folder / "in" / "a.nc", fields)
    variable = {"role": "prognostic", "units": "K", "nan": "mask"}
    settings = describe(folder / "in", variables={"t": variable, "q": variable})
    document: dict[str, Any] = {
        "dataset": {"name": "gridded", "settings": settings},
        "train": {"epochs": 1, "no_log": True, "num_pred_steps_val_test": 2, "plots": []},
    }
    return build_config(document, ["model.num_filters=4"])


@pytest.mark.parametrize("split", ["valid", "test"])
def test_a_split_without_one_value_is_refused_before_anything_is_learned(
    tmp_path: Path, own_root: Path, split: str, caplog: pytest.LogCaptureFixture
) -> None:
    config = asked(tmp_path, SPLITS[split], ("t", "q"))
    with (
        caplog.at_level(logging.INFO),
        pytest.raises(DataError, match=f"the split {split} holds no value of t, q in its"),
    ):
        train(config, run_name="r")


def test_a_variable_without_values_in_the_validation_is_left_out_of_its_errors(tmp_path: Path, own_root: Path) -> None:
    folder = train(asked(tmp_path, SPLITS["valid"], ("q",)), run_name="r")
    errors = Forecaster.load(folder / "forecaster.safetensors").lineage["validation_rmse"]
    assert list(errors) == ["t"] and len(errors["t"]) == 2 and np.isfinite(errors["t"]).all()
