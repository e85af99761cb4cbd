"""compare: several runs or forecast files side by side, on the forecasts that all have."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from py4cast.atomic import check_name, write_text
from py4cast.errors import DataError, Py4castError, SettingsError, nearest
from py4cast.grid import Grid
from py4cast.metrics import ScoreSettings
from py4cast.metrics.score_set import ScoreSet
from py4cast.observers.animation import draw_case, write_gif
from py4cast.observers.base import write_figure
from py4cast.observers.colours import table_of
from py4cast.observers.titles import of_case
from py4cast.regrid import Method
from py4cast.variables import Variable
from py4cast.workflows.page.score_page import write_page
from py4cast.workflows.page.worst import CaseSource, MemberSource
from py4cast.workflows.terminal import Bar
from py4cast.workflows.verify.file_case import FileCase, VerifyFiles
from py4cast.workflows.verify.files import verify_files
from py4cast.workflows.verify.leaderboard import leaderboard
from py4cast.workflows.verify.merge import merged
from py4cast.workflows.verify.renamed import CALLED
from py4cast.workflows.verify.score_files import read_scores, write_scores
from py4cast.workflows.verify.split import SplitCase

__all__ = ["Compare", "compare", "open_run"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Compare:
    """What is compared with what, and on which case.

    Args:
        runs: folders of runs or of scores, or `scores.nc` files, by name; the first is compared with the others.
        init_time: of the case that is drawn; by default the one in the middle of the period.
        variables: that are drawn; by default the first two.
        truth: files of analyses, for runs that are forecast files; each of those is verified first.
        stations: file of observations instead.
        regrid: how such forecasts come to the truth's grid.
        scores: what is scored of them, and how.
    """

    runs: Mapping[str, str]
    init_time: np.datetime64 | None = None
    variables: Sequence[str] = field(default_factory=tuple)
    truth: Sequence[str] = ()
    stations: str | None = None
    regrid: Method | None = None
    scores: ScoreSettings = field(default_factory=ScoreSettings)


def open_run(path: str | os.PathLike[str]) -> ScoreSet:
    """The scores of a run's folder, of a folder that verify wrote, or of a `scores.nc`.

    Raises:
        DataError: none is there.
    """
    given = Path(path).expanduser()
    place = _within(given) or given
    if place.is_file():
        return read_scores(place)
    raise DataError(f"{given}: no scores.nc there; make it by py4cast verify, or give --truth for forecast files")


def _within(folder: Path) -> Path | None:
    """The scores that a run's folder or a folder of verify holds, if any."""
    return next((p for p in (folder / "verify" / "scores.nc", folder / "scores.nc") if p.is_file()), None)


def _scored(asked: Compare, name: str, path: str, output: Path) -> ScoreSet:
    """The scores of a run; forecast files are verified into a folder of their own first."""
    given = Path(path).expanduser()
    is_scored = _within(given) is not None or given.name == "scores.nc"
    if is_scored or not (asked.truth or asked.stations):
        return open_run(path)
    files = VerifyFiles(
        forecast=path.split(","), truth=asked.truth, stations=asked.stations, regrid=asked.regrid, scores=asked.scores
    )
    with Bar() as bar:
        scores, case = verify_files(files, bar=bar)
    case.close()
    folder = write_scores(output / check_name(name, "run"), scores)
    return read_scores(folder)


def named_runs(texts: Sequence[str]) -> dict[str, str]:
    """Runs by name, from `NAME=PATH` or a path, whose last part that tells them apart is the name."""
    folders: dict[str, str] = {}
    for text in texts:
        name, path = _named(text)
        name = name or _short_name(path, [_named(t)[1] for t in texts])
        if name in folders:
            raise SettingsError(f"compare: two runs are called {name!r}; name them by NAME=PATH")
        folders[name] = path
    if len(folders) < 2:
        raise SettingsError("compare needs at least two runs; see py4cast compare --help")
    return folders


def _named(text: str) -> tuple[str, str]:
    """The name, empty where none is given, and the path; an `=` of a path's own is no mark of a name."""
    name, mark, path = text.partition("=")
    if not mark or os.sep in name or Path(text).expanduser().exists():
        return "", text
    return name, path


def _short_name(path: str, others: Sequence[str]) -> str:
    parts = [p for p in Path(path).expanduser().absolute().parts if p not in ("scores.nc", "verify")]
    for part in reversed(parts):
        if sum(part in Path(o).expanduser().absolute().parts for o in others) == 1:
            return part
    return parts[-1]


def compare(asked: Compare, output: str | os.PathLike[str]) -> ScoreSet:
    """Writes the comparison to a folder: report.html, scores.nc, scores.csv, leaderboard.md, and maps of one case.

    Raises:
        DataError: runs that cannot be compared; names what differs.
    """
    scores = merged({name: _scored(asked, name, path, Path(output)) for name, path in asked.runs.items()})
    _check(asked, scores)
    folder = write_scores(output, scores)
    write_text(folder / "leaderboard.md", leaderboard(scores))
    sources = _sources(scores)
    first = sources.get(scores.systems[0])
    write_page(folder / "report.html", scores, first, f"{scores.systems[0]} against {', '.join(scores.systems[1:])}")
    if sources:
        _draw(asked, scores, sources, folder)
    for source in sources.values():
        source.close()
    return scores


class _Common:
    """Creates the source of a run's fields for the features and lead times that all runs have."""

    def __init__(self, source: MemberSource, scores: ScoreSet, called: Mapping[str, str]) -> None:
        self._source, self.grid, self.lead_times = source, source.grid, list(scores.lead_times)
        self.features, self._called = scores.variables[: scores.num_features], called

    def fields(self, init_time: np.datetime64) -> tuple[Tensor, Tensor]:
        """Forecast and truth, `(timestep, lat, lon, features)` each."""
        return self._common(self._source.fields(init_time))

    def members(self, init_time: np.datetime64) -> tuple[Tensor, Tensor]:
        """The members `(member, timestep, lat, lon, features)`, and the truth."""
        return self._common(self._source.members(init_time))

    def _common(self, pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        steps = [list(self._source.lead_times).index(t) for t in self.lead_times]
        places = [list(self._source.features).index(self._called.get(n, n)) for n in self.features]
        forecast, truth = pair
        return forecast[..., steps, :, :, :][..., places], truth[steps][..., places]

    def close(self) -> None:
        """Closes the files that are open, if any."""
        self._source.close()


def _sources(scores: ScoreSet) -> dict[str, CaseSource]:
    """What gives each run's fields again, where its Forecaster or its files are still there."""
    sources: dict[str, CaseSource] = {}
    for name, document in scores.document["runs"].items():
        kind = SplitCase if "forecaster" in document else FileCase
        try:
            sources[name] = _Common(kind.again(document), scores, document.get(CALLED, {}))
        except (Py4castError, OSError, KeyError) as error:
            logger.warning("%s: no maps of it: %s", name, error)
    return sources


def _draw(asked: Compare, scores: ScoreSet, sources: Mapping[str, CaseSource], folder: Path) -> None:
    """Maps of one case at the last lead time, and an animation over all, of truth and every run."""
    grid = scores.grid
    if grid is None:
        return
    features = scores.variables[: scores.num_features]
    described = {v["name"]: Variable.from_dict(v) for v in scores.document.get("variables", [])}
    start = asked.init_time if asked.init_time is not None else scores.init_times[len(scores.init_times) // 2]
    pairs = {name: source.fields(start) for name, source in sources.items()}
    for name in asked.variables or features[:2]:
        place = features.index(name)
        fields = {"truth": next(iter(pairs.values()))[1][..., place].numpy()}
        fields |= {_titled(run, scores): forecast[..., place].numpy() for run, (forecast, _) in pairs.items()}
        _animate(fields, described.get(name, Variable(name=name)), grid, scores, start, folder)


def _titled(run: str, scores: ScoreSet) -> str:
    """What stands above the map of a run."""
    members = int(scores.document["runs"][run].get("num_members", 1))
    return run if members < 2 else f"{run}, mean of {members} members"


def _check(asked: Compare, scores: ScoreSet) -> None:
    """Refuses a case that cannot be drawn, before anything is written."""
    features = scores.variables[: scores.num_features]
    for name in asked.variables:
        if name not in features:
            raise SettingsError(f"--variables {name}: not among {', '.join(features)}{nearest(name, features)}")
    if asked.init_time is not None and asked.init_time not in scores.init_times:
        span = f"{scores.init_times[0]} to {scores.init_times[-1]}"
        raise SettingsError(f"--init_time {asked.init_time}: no common forecast; they start from {span}")


def _animate(
    fields: Mapping[str, NDArray[np.float32]], variable: Variable, grid: Grid, scores: ScoreSet, start: np.datetime64,
    folder: Path,
) -> None:  # fmt: skip
    span = table_of(variable).span(*fields.values())
    figures = []
    for step in range(len(scores.lead_times)):
        when = of_case(start, scores.lead_times[step])
        figures.append(draw_case({n: f[step] for n, f in fields.items()}, variable, grid, when, span))
    case = check_name(f"case_{variable.name}", "the maps of", DataError)
    write_figure(folder / f"{case}.png", figures[-1])
    write_gif(folder / f"{case}.gif", figures)
