import subprocess
import sys
from pathlib import Path

import pytest

from tests import forecasters
from tests.command import py4cast

GOLDEN = Path(__file__).resolve().parents[2] / "golden"


def test_a_forecaster_says_what_it_is(tmp_path: Path) -> None:
    own = forecasters.forecaster(2)
    scores = {
        "lead_times_h": [6.0, 12.0], "num_forecasts": 7, "units": {"t2m": "K"},
        "model": {"t2m": {"rmse": [1.5, 2.25]}}, "persistence": {"t2m": {"rmse": [3.0, 4.0]}},
    }  # fmt: skip
    path = tmp_path / "f.safetensors"
    own.save(path, scores=scores, config={"dataset": {"name": "gridded"}, "train": {"seed": 5}}, git={"commit": "abc"})
    done = py4cast("inspect", str(path))
    assert done.returncode == 0, done.stderr
    count = sum(v.numel() for v in own.network.model.state_dict().values())
    for text in (
        f"model    halfunet of {count:,} numbers, num_filters=8", "strategy scaled_ar", "step     6h, from 2 past states",
        "grid     12 x 16", "border   2 cells wide, 96 cells are imposed", "statics  orography, land", "git      commit abc",
        "northward_wind", "toa_radiation", "seed     5", "RMSE over 7 forecasts", "2.25", "tp",
    ):  # fmt: skip
        assert text in done.stdout, text
    for words, text in ((["--plot", "x.png"], "are of data, not of Forecasters"),):
        failed = py4cast("inspect", str(path), *words)
        assert failed.returncode == 2 and text in failed.stderr
    (tmp_path / "cut.safetensors").write_bytes(path.read_bytes()[:999])
    failed = py4cast("inspect", str(tmp_path / "cut.safetensors"))
    assert failed.returncode == 3 and "damaged" in failed.stderr and len(failed.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["forecaster.safetensors", "step.onnx"])
def test_torch_is_not_needed(name: str) -> None:
    code = (
        "import sys\nfrom py4cast.cli import main\n"
        f"status = main(['inspect', {str(GOLDEN / name)!r}])\n"
        "assert 'torch' not in sys.modules\nsys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "halfunet" in done.stdout and ("opset 20" in done.stdout) == name.endswith("onnx")
