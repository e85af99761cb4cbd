"""A forecast whose ranks compute every step together, each a part of the grid; the first one writes it."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from py4cast.errors import SettingsError
from py4cast.job import Job, Placement
from py4cast.models.split.group import ModelGroup
from py4cast.steppers.eager import EagerStepper
from py4cast.workflows.forecast.request import Forecast
from py4cast.workflows.forecast.run import run
from py4cast.workflows.terminal import Bar

__all__ = ["forecast_shared"]


@contextmanager
def _ranks(job: Job) -> Iterator[ModelGroup]:
    """The ranks of the job, met; they part at the end."""
    on_gpu = torch.cuda.is_available()
    torch.distributed.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield ModelGroup.of_world(job.world_size)
    finally:
        torch.distributed.destroy_process_group()


def forecast_shared(asked: Forecast, bar: Bar | None = None) -> list[Path]:
    """Writes a forecast that all ranks of a torchrun compute together, and returns the files; of other ranks than the first none.

    Raises:
        SettingsError: no ranks, several Forecasters, an exported step, or a network that is not cut into parts.
        DataError, NumericalError: as of a forecast by one process.
    """
    job = Job.of()
    Placement(distributed="domain").ranks_per_sample(job.world_size)
    if job.launcher != "torchrun":
        raise SettingsError(f"--distributed domain: started by {job.launcher}; expected torchrun")
    if asked.others or Path(asked.forecaster).suffix == ".onnx":
        raise SettingsError("--distributed domain: expected one Forecaster (.safetensors), which torch runs")
    if asked.device is None and torch.cuda.is_available():
        asked = replace(asked, device=f"cuda:{os.environ['LOCAL_RANK']}")
    if job.rank:
        # the first of several processes speaks for all
        logging.getLogger("py4cast").setLevel(logging.WARNING)
    stepper = EagerStepper(Path(asked.forecaster), asked.device, asked.precision)
    with _ranks(job) as group:
        stepper.forecaster.network.split(group)
        return run(asked, stepper, bar if job.rank == 0 else None, writes=job.rank == 0)
