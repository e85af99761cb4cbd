"""The error of a model from pairs of its forecast and the analysis of the same time, both in files of any origin."""

from pathlib import Path

import numpy as np
import torch

from py4cast.datasets import get_datasets
from py4cast.forecaster import Forecaster
from py4cast.losses import registry as losses
from tests.weather_files import describe, wave_fields, write_json, write_netcdf


def test_increments_are_learned_from_files_of_forecasts_and_analyses(tmp_path: Path) -> None:
    analyses = wave_fields()
    # a model with a state-dependent error: it relaxes towards 280 K too fast, and is too cold
    forecasts = (analyses + 0.3 * (280 - analyses) - 1.0).astype(np.float32)
    write_netcdf(tmp_path / "analyses" / "an.nc", {"t": analyses})
    write_netcdf(tmp_path / "forecasts" / "fc.nc", {"t": forecasts})
    variables = {
        "t": {"role": "prognostic", "units": "K", "files": ["analyses/*.nc"]},
        "forecast_t": {"role": "forcing", "units": "K", "file_name": "t", "files": ["forecasts/*.nc"]},
    }
    document = describe(tmp_path, variables=variables, forcings=[], grid={"border_size": 0})
    train, _, test = get_datasets("gridded", 1, 1, 1, write_json(tmp_path / "pairs.json", document))
    torch.manual_seed(0)
    settings = {"coarse_prefix": "forecast_"}
    forecaster = Forecaster.build(train.info, "cnn", "downscaling", 1, {"num_layers": 2, "num_filters": 8}, settings)
    forecaster.train()
    loss, batch = losses.get("mse")(train.info), train.read_batch(range(len(train)))
    optimizer = torch.optim.Adam(forecaster.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        forecaster.training_loss(batch, loss).mean().backward()
        optimizer.step()
    held = test.read_batch(range(len(test)))
    assert held.outputs is not None and held.forcing is not None
    truth = held.outputs.tensor
    before = float((held.forcing.tensor - truth).square().mean().sqrt())
    corrected = forecaster.eval().forecast(held).tensor
    after = float((corrected - truth).square().mean().sqrt())
    assert before > 1.0 and after < 0.25 * before, (before, after)
    # the mean increment alone, the baseline to beat
    increment = (batch.outputs.tensor - batch.forcing.tensor).mean()  # type: ignore[union-attr]
    assert after < 0.5 * float((held.forcing.tensor + increment - truth).square().mean().sqrt())
    # what a host adds to its tendency
    rate = (corrected - held.forcing.tensor) / 3600.0
    exact = (truth - held.forcing.tensor) / 3600.0
    assert float(torch.corrcoef(torch.stack([rate.flatten(), exact.flatten()]))[0, 1]) > 0.95
