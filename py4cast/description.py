"""Description: what a Forecaster is, in lines for people."""

from collections.abc import Mapping
from typing import Any

from py4cast.calibration import Calibration

__all__ = ["description", "pairs_of"]


def description(
    names: Mapping[str, str],
    num_parameters: int,
    num_input_steps: int,
    settings: str,
    reference: str,
    lineage: Mapping[str, Any],
    calibration: Calibration | None,
) -> str:
    """Model and strategy, their settings and paper, when it was trained and what it was calibrated on.

    Args:
        names: of model and strategy.
        num_parameters: of the network.
        num_input_steps: past states that it takes.
        settings: of the model, as JSON.
        reference: of the model; empty for none.
        lineage: how it came to be.
        calibration: of its forecasts; None for none.
    """
    lines = [
        f"Forecaster: model {names['model']} ({num_parameters:,} parameters), strategy {names['strategy']}, {num_input_steps} input steps",
        f"model settings {settings}",
    ]
    lines += [f"reference {reference}"] if reference else []
    if "created" in lineage:
        lines.append(f"trained {lineage['created']} with py4cast {lineage['version']}")
    if calibration is not None:
        source = calibration.source
        lines.append(
            f"calibrated over {calibration.num_steps} steps on {source['num_forecasts']} forecasts, {source['first']} to {source['last']}"
        )
    return "\n".join(lines)


def pairs_of(text: str, ending: str) -> list[tuple[str, str]]:
    """The lines of a description as pairs of their first word and the rest, without those that it ends with."""
    lines = text.removesuffix(ending).splitlines()
    return [(first, rest) for first, _, rest in (line.partition(" ") for line in lines) if first]
