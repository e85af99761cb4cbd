"""What a plugin's author runs: each check raises AssertionError with what is wrong, and is what py4cast's own tests run."""

from py4cast.testing.cubes import check_cube, check_filter
from py4cast.testing.datasets import check_dataset
from py4cast.testing.formats import check_reader, check_writer, make_forecast
from py4cast.testing.models import check_model, check_onnx, onnx_session
from py4cast.testing.physics import check_closure, check_physics
from py4cast.testing.samples import check_settings, make_batch, make_info
from py4cast.testing.scores import check_loss, check_metric, check_observer
from py4cast.testing.strategies import check_strategy

__all__ = [
    "check_closure",
    "check_cube",
    "check_dataset",
    "check_filter",
    "check_loss",
    "check_metric",
    "check_model",
    "check_observer",
    "check_onnx",
    "check_physics",
    "check_reader",
    "check_settings",
    "check_strategy",
    "check_writer",
    "make_batch",
    "make_forecast",
    "make_info",
    "onnx_session",
]
