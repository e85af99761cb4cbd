"""cycle: a forecast every few hours: waits for the input, runs, writes, verifies the last ones.

    due at t + delay  →  wait for the input of t  →  forecast  →  verify what has become known  →  next

Input that does not come in time, or not whole, is replaced by that of the cycle before, with as many steps more as it is
older, so that the forecast still reaches as far. What was done is in a state file: a cycle that is done is not done again.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from py4cast.atomic import lock, sha256_of, write_json
from py4cast.errors import DataError, Py4castError, SettingsError
from py4cast.saved import file_of
from py4cast.steppers import StepperABC, open_stepper
from py4cast.timeline import later, show_duration, steps_between
from py4cast.workflows.forecast.file_input import FileInput
from py4cast.workflows.forecast.outputs import path_of, stamp
from py4cast.workflows.forecast.run import Forecast, run

__all__ = ["Cycle", "Schedule"]

logger = logging.getLogger(__name__)
_POLL_S = 10.0
_DAY = np.timedelta64(86400, "s")
_HOUR = np.timedelta64(3600, "s")
_KEPT = 200
_WILD = "*?["


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When forecasts are due, and what is waited for.

    Args:
        every: between two starts, counted from 00 UTC.
        delay: after a start, when its input can be there.
        timeout: how long its input is waited for.
        max_fallbacks: cycles before it from which the forecast may start instead.
        state: file of what was done.
        verify: folder of the scores of the last forecasts; None for no verification.
        verify_last: how far back forecasts are verified.
    """

    every: np.timedelta64
    delay: np.timedelta64 = np.timedelta64(0, "s")
    timeout: np.timedelta64 = np.timedelta64(0, "s")
    max_fallbacks: int = 1
    state: str = "cycle.json"
    verify: str | None = None
    verify_last: np.timedelta64 = np.timedelta64(10 * 86400, "s")

    def __post_init__(self) -> None:
        if self.every <= np.timedelta64(0, "s") or _DAY % self.every != np.timedelta64(0, "s"):
            raise SettingsError(f"--every {show_duration(self.every)}: expected a part of a day, such as 1h or 6h")
        if self.max_fallbacks < 0:
            raise SettingsError(f"--fallbacks {self.max_fallbacks}: expected at least 0")


def _now() -> np.datetime64:
    return np.datetime64("now", "s")


class Cycle:
    """Creates the cycle of a forecast, whose input, boundary and output have places for the time.

    Args:
        asked: what is forecast; `%Y %m %d %H %M` in input and boundary stand for the time of a state and of a driving
            model's start, `{init_time}` in the output for the start.
        schedule: when.
        now: the clock, UTC.
        sleep: waits some seconds.

    Raises:
        SettingsError: paths without a place for the time.
    """

    def __init__(
        self, asked: Forecast, schedule: Schedule, now: Callable[[], np.datetime64] = _now, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        if not asked.input:
            raise SettingsError("cycle needs --input FILES, with %Y%m%d%H for the time")
        paths = [("--output", text) for text in asked.output]
        for flag, text in (*paths, ("--series", asked.series), ("--overlay", asked.overlay)):
            if text and "{init_time" not in text:
                raise SettingsError(f"{flag} {text}: a cycle needs {{init_time}} in it")
        self.asked, self.schedule, self._now, self._sleep = asked, schedule, now, sleep
        self._stepper: StepperABC = open_stepper(asked.forecaster, asked.device, asked.precision)
        self._digest = sha256_of(file_of(Path(asked.forecaster)))
        self._state = Path(schedule.state).absolute()
        if self._state.is_dir():
            raise SettingsError(f"--state {schedule.state}: a folder; expected a file, such as cycle.json")

    def due(self) -> np.datetime64:
        """The start whose input can be there now."""
        since = self._now() - self.schedule.delay
        day = since.astype("datetime64[D]").astype("datetime64[s]")
        due: np.datetime64 = day + (since - day) // self.schedule.every * self.schedule.every
        return due

    def forever(self) -> Iterator[list[Path]]:
        """Yields the files of one cycle after the other; a cycle that fails is told, and the next one is waited for."""
        before: np.datetime64 | None = None
        while True:
            start = self.due()
            if before is not None and start > before + self.schedule.every:
                passed = steps_between(before, start, self.schedule.every) - 1
                logger.warning("%d cycles after that of %s were passed over: it took too long", passed, before)
            before = start
            try:
                yield self.run(start)
            except (Py4castError, OSError) as error:
                logger.error("cycle of %s: %s", start, error)
                yield []
            ahead = (start + self.schedule.every + self.schedule.delay - self._now()) / np.timedelta64(1, "s")
            self._sleep(max(1.0, float(ahead)))

    def run(self, start: np.datetime64) -> list[Path]:
        """The files of one cycle; none when it was done already.

        Raises:
            DataError: neither its input nor that of the cycles before came.
            BusyError: another process is at it.
        """
        with lock(self._state.with_suffix(".lock")):
            done = self._done()
            record = done.get(str(start), {})
            if self._is_made(record, start):
                logger.info("cycle of %s: done already", start)
                return []
            start_found = self._start(start)
            if self._is_made(record, start_found):
                raise DataError(
                    f"cycle of {start}: still no input but that of {start_found}, from which it was forecast already"
                )
            forecast = self._forecast_from(start, start_found)
            files = run(forecast if start_found == start else self._beside(forecast, start, start_found), self._stepper)
            record = {
                "init_time": str(start_found),
                "is_fresh": bool(start_found == start),
                **self._what(),
                "files": [str(f) for f in files],
                "at": f"{self._now()}Z",
            }
            kept = dict(sorted({**done, str(start): record}.items())[-_KEPT:])
            write_json(self._state, kept)
        self._verify(start)
        return files

    def _done(self) -> dict[str, Any]:
        if not self._state.is_file():
            return {}
        try:
            state: dict[str, Any] = json.loads(self._state.read_text())
            if not all(isinstance(record, dict) for record in state.values()):
                raise ValueError("records are expected")
        except (ValueError, AttributeError):
            raise DataError(f"{self._state}: damaged; remove it to begin anew") from None
        for record in state.values():
            if record.get("output", list(self.asked.output)) != list(self.asked.output):
                raise SettingsError(
                    f"{self._state} is of another cycle, whose --output is {' '.join(record['output'])}; give each a --state of its own"
                )
        return state

    def _what(self) -> dict[str, Any]:
        """What tells this forecast from another one of the same start."""
        return {"output": list(self.asked.output), "forecaster": self._digest, "num_steps": self.asked.num_steps}

    def _is_made(self, record: dict[str, Any], init_time: np.datetime64) -> bool:
        """Whether a record says that this forecast was made from a start, and its files are still there."""
        is_same = all(record.get(key, value) == value for key, value in self._what().items())
        is_of_start = record.get("init_time") == str(init_time)
        return is_of_start and is_same and all(Path(f).exists() for f in record.get("files", []))

    def _start(self, start: np.datetime64) -> np.datetime64:
        """The start to forecast from: the one that is due, or one before whose input is there."""
        deadline = self._now() + self.schedule.timeout
        reason = self._lacking(start)
        while reason and self._now() < deadline:
            self._sleep(_POLL_S)
            reason = self._lacking(start)
        if not reason:
            return start
        for number in range(1, self.schedule.max_fallbacks + 1):
            earlier = start - number * self.schedule.every
            if not self._lacking(earlier):
                logger.warning("cycle of %s: %s; the forecast starts from %s instead", start, reason, earlier)
                return earlier
        raise DataError(
            f"cycle of {start}: {reason}"
            + (
                f"; nor is there the input of the {self.schedule.max_fallbacks} cycles before"
                if self.schedule.max_fallbacks
                else ""
            )
        )

    def _lacking(self, start: np.datetime64) -> str:
        """Why a forecast cannot start there, empty when it can."""
        asked, info = self._forecast_from(start, start), self._stepper.info
        for path in asked.input:
            if not any(c in path for c in _WILD) and not Path(path).exists():
                return f"no {path}"
        try:
            source = FileInput(
                info, asked.input, asked.boundary, asked.renamed, asked.accumulated, asked.regrid, further=asked.further
            )
        except DataError as error:
            return str(error)
        try:
            source.states(start, source.chosen_members(asked.members))
            next(source.given(start, asked.num_steps), None)
        except DataError as error:
            return str(error)
        finally:
            source.close()
        return ""

    def _forecast_from(self, due: np.datetime64, start: np.datetime64) -> Forecast:
        """What is forecast from a start, as far as the cycle that is due reaches."""
        info = self._stepper.info
        times = list(later(start, np.arange(1 - info.num_input_steps, 1), info.step_duration))
        paths = [_filled(text, t) for text in self.asked.input for t in (times if "%" in text else times[-1:])]
        further = int(steps_between(start, due, info.step_duration))
        return replace(
            self.asked, input=list(dict.fromkeys(paths)), boundary=[_freshest(text, start) for text in self.asked.boundary],
            further={key: [_filled(text, start) for text in texts] for key, texts in self.asked.further.items()},
            init_time=str(start), num_steps=self.asked.num_steps + further,
        )  # fmt: skip

    def _beside(self, forecast: Forecast, due: np.datetime64, start: np.datetime64) -> Forecast:
        """The same with outputs of other names where those of an older start stand, which the cycle of that start wrote."""

        def free(text: str) -> str:
            first = path_of(text, start, self._stepper.info.step_duration)
            return text.replace("{init_time}", f"{{init_time}}_for_{stamp(due)}") if first.exists() else text

        return replace(
            forecast,
            output=[free(text) for text in forecast.output],
            series=forecast.series and free(forecast.series),
            overlay=forecast.overlay and free(forecast.overlay),
        )

    def _verify(self, start: np.datetime64) -> None:
        """Scores the last forecasts against what has become known; what fails there does not fail the cycle."""
        folder = self.schedule.verify
        if folder is None:
            return
        from py4cast.workflows.cycle.verify_last import verify_last

        try:
            verify_last(self.asked.output, self.asked.input, start - self.schedule.verify_last, folder)
        except (Py4castError, OSError) as error:
            logger.warning("verification into %s: %s", folder, error)


def _filled(text: str, when: np.datetime64) -> str:
    """A path with its time filled in."""
    return when.astype("datetime64[s]").item().strftime(text) if "%" in text else text


def _freshest(text: str, start: np.datetime64, most: int = 48) -> str:
    """The path of a driving model's last run that is there, at most so many hours before the start."""
    if "%" not in text:
        return text
    tried = [_filled(text, start - i * _HOUR) for i in range(most + 1)]
    return next((path for path in tried if _is_there(path)), tried[0])


def _is_there(path: str) -> bool:
    """Whether there is a file at a path, or one that a pattern means."""
    whole = Path(path).absolute()
    if not any(c in path for c in _WILD):
        return whole.exists()
    return any(Path(whole.anchor).glob(str(whole.relative_to(whole.anchor))))
