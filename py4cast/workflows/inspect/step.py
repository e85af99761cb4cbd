"""inspect, of a saved Forecaster or an exported step: what it predicts from what, how it was trained, how well it does."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from py4cast.border import Border
from py4cast.saved import read_info
from py4cast.steppers import StepInfo
from py4cast.timeline import show_duration
from py4cast.workflows.terminal import score_table, table_of

__all__ = ["inspect_step", "is_step"]

_SUFFIXES = (".safetensors", ".onnx")


def is_step(path: Path) -> bool:
    """Whether a file is a saved Forecaster or an exported step, by its ending."""
    return path.suffix in _SUFFIXES


def inspect_step(path: Path) -> list[Any]:
    """Lines and tables; torch is not needed.

    Raises:
        DataError: the file is missing, damaged, or no Forecaster.
    """
    if path.suffix == ".onnx":
        from py4cast.steppers.onnx import OnnxStepper

        info, weights = OnnxStepper(path).info, ""
    else:
        told, arrays, count = read_info(path)
        info, weights = StepInfo.from_header(told, arrays), f" of {count:,} numbers"
    header = info.header
    lines = [
        f"{'exported step' if path.suffix == '.onnx' else 'Forecaster'} {path}, {path.stat().st_size / 1e6:.1f} MB",
        f"model    {header['model']}{weights}, {_settings(header['model_settings'])}",
        f"strategy {header['strategy']}, {_settings(header['strategy_settings'])}",
        f"step     {show_duration(info.step_duration)}, from {info.num_input_steps} past states",
        f"grid     {info.grid.describe()}",
        f"border   {'none is imposed' if info.border is None else _border(info)}",
        f"statics  {', '.join(header['info']['static']) or 'none'}",
        *([f"masked   {int((~info.valid).sum())} of {info.valid.size} cells never hold data"] if not info.valid.all() else []),
        *(f"input    {key}: {', '.join(v.name for v in input_info.variables)} on {input_info.grid.describe()}" for key, input_info in info.inputs.items()),
        *_export(header.get("export")),
    ]  # fmt: skip
    return [*lines, _variables(info), *_lineage(header["lineage"]), *_scores(header["lineage"].get("scores"))]


def _settings(document: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={json.dumps(v)}" for k, v in document.items()) or "no settings"


def _border(info: StepInfo) -> str:
    assert info.border is not None, "asked for where there is one"
    described = info.header["info"]
    border = Border.from_dict(described["border_size"], described.get("border", {}))
    return f"{border}, {int(info.border.sum())} cells are imposed at every step"


def _export(export: Mapping[str, Any] | None) -> list[str]:
    if not export:
        return []
    drift = export.get("drift") or [float("nan")]
    return [
        f"export   opset {export['opset']}, weights in {export['weights']}, torch {export['torch']}; differs from torch by "
        f"{drift[0]:.1e} std after a step, {drift[-1]:.1e} after {len(drift)}"
    ]


def _variables(info: StepInfo) -> Any:
    stats, differences = info.header["info"]["stats"], info.header["info"]["diff_stats"]
    rows = []
    for v in info.variables:
        of_field, step = stats.get(v.name, {}), differences.get(v.name, {})
        level = f"{v.level:g} {v.type_of_level or ''}".strip() if v.level is not None else "-"
        numbers = [f"{of_field[k]:.5g}" if k in of_field else "-" for k in ("mean", "std", "min", "max")]
        rows.append([v.name, v.role, v.units, level, v.standard_name or "-", *numbers, f"{step['std']:.4f}" if "std" in step else "-"])  # fmt: skip
    columns = ("variable", "role", "units", "level", "CF name", "mean", "std", "min", "max", "diff_std")
    return table_of("statistics of the training period (diff_std: of one step, in units of std)", columns, [rows])


def _lineage(lineage: Mapping[str, Any]) -> list[str]:
    config = lineage.get("config", {})
    git = lineage.get("git") or {}
    shown = {
        "trained": f"{lineage.get('created', 'unknown')} with py4cast {lineage.get('version', 'unknown')}",
        "dataset": json.dumps(config["dataset"])[:300] if "dataset" in config else None,
        "training": json.dumps(config["train"])[:300] if "train" in config else None,
        "git": ", ".join(f"{k} {v}" for k, v in git.items()) or None,
        "seed": lineage.get("seed", config.get("train", {}).get("seed")),
    }
    return [f"{key:<8} {value}" for key, value in shown.items() if value is not None]


def _scores(scores: Mapping[str, Any] | None) -> list[Any]:
    return [score_table(dict(scores))] if scores and "units" in scores else ["scores   none"]
