"""Forecast: what is asked of a forecast, checked before anything is opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from py4cast.errors import SettingsError
from py4cast.regrid import Method
from py4cast.workflows.forecast.outputs import check_pattern

__all__ = ["Forecast"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is forecast from what.

    Args:
        forecaster: a saved Forecaster, or an exported step.
        others: further ones, whose forecasts are members beside those of the first.
        output: paths of the files, with `{init_time}` and `{lead_time}` for many.
        num_steps: to predict.
        init_time: UTC time of the last past state; the last that the input has by default.
        input: files of the last states; else the dataset is read.
        boundary: files of a driving model.
        further: files of further inputs by key.
        dataset: registered name; by default the one of the training.
        path: its JSON file.
        overrides: dotted settings of the dataset.
        renamed: name in the input by name in the Forecaster.
        accumulated: variables that the input holds as sums since the start.
        regrid: how the input comes to the Forecaster's grid.
        members: of the input to forecast; all by default.
        no_calibration: whether forecasts are left as the network makes them.
        num_members: that a strategy with noise makes of each state; by default `num_members_val` of its training.
        seed: of the members' noise.
        perturb: how the starts of members are moved, `spectrum` or `bred`; empty for not at all.
        perturb_size: how far, in units of what changes in one step; by default 0.5.
        device: where torch runs.
        precision: of torch's inner products.
        free_border: forecast without truth in the border, for a strategy that imposes it.
        stations: file of the places of a series.
        series: file of the forecast at the stations.
        overlay: folder of maps and animations.
        scores: folder of the scores of forecasts that are not kept.
        part: of a stretched grid that `output` holds.
        grib: keys of every GRIB message, such as `centre`; by default those of the input's first file that say who made it.
    """

    forecaster: str
    num_steps: int
    output: Sequence[str] = ()
    others: Sequence[str] = ()
    init_time: str | None = None
    input: Sequence[str] = ()
    boundary: Sequence[str] = ()
    further: Mapping[str, Sequence[str]] = field(default_factory=dict)
    dataset: str | None = None
    path: str | None = None
    overrides: Sequence[str] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    accumulated: Sequence[str] = ()
    regrid: Method | None = None
    members: Sequence[int] = ()
    num_members: int | None = None
    no_calibration: bool = False
    seed: int = 0
    perturb: str = ""
    perturb_size: float | None = None
    device: str | None = None
    precision: str = "32"
    free_border: bool = False
    stations: str | None = None
    series: str | None = None
    overlay: str | None = None
    scores: str | None = None
    part: str | None = None
    grib: Mapping[str, str | int | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.num_steps < 1:
            raise SettingsError(f"--num_steps {self.num_steps}: expected at least 1")
        if self.num_members is not None and self.num_members < 1:
            raise SettingsError(f"--num_members {self.num_members}: expected at least 1")
        if self.perturb_size is not None and not self.perturb:
            raise SettingsError(f"--perturb_size {self.perturb_size:g} goes with --perturb spectrum or bred")
        if bool(self.stations) != bool(self.series):
            raise SettingsError("--stations FILE and --series FILE come together")
        if not (self.output or self.series or self.overlay or self.scores):
            raise SettingsError("nothing to write: give --output FILE, --series FILE or --overlay DIR")
        for flag, texts in (
            ("--output", self.output),
            ("--series", [self.series or ""]),
            ("--overlay", [self.overlay or ""]),
        ):
            for text in texts:
                check_pattern(text, flag)
        if not self.input and (self.boundary or self.renamed or self.members or self.regrid):
            raise SettingsError("--boundary, --rename, --members and --regrid go with --input FILES")
        if not self.input and self.further:
            raise SettingsError("--further goes with --input FILES; a dataset reads its own inputs")
        if not self.input and self.init_time is None:
            raise SettingsError("--init_time is needed, but with --input FILES, whose last time is taken")
