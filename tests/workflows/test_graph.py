"""The verb graph: numbers on the terminal, a picture, the cache, and one line for a mistake."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.command import py4cast


@pytest.mark.parametrize("model", ["graphlam", "hilam"])
def test_numbers_and_a_picture(model: str, tmp_path: Path) -> None:
    words = ["graph", "--model", model, "--set", "dataset.size=32", "--output", "mesh.png"]
    done = py4cast(*words, cwd=tmp_path, PY4CAST_ROOTDIR=str(tmp_path / "root"))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert (
        lines[-1] == "mesh.png"
        and "nodes of level 0 │ 81 " in done.stdout
        and "mesh_to_grid     │ 4096 " in done.stdout
    )
    assert ("up 0 to 1" in done.stdout) == (model == "hilam")
    files = list((tmp_path / "root" / "cache" / "graphs").glob("*.npz"))
    assert len(files) == 1 and any(str(files[0]) in line for line in lines)
    image = np.asarray(Image.open(tmp_path / "mesh.png").convert("L"))
    assert image.shape[0] > 300 and 0.005 < (image < 200).mean() < 0.6
    again = py4cast(*words, cwd=tmp_path, PY4CAST_ROOTDIR=str(tmp_path / "root"))
    assert again.stdout == done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "halfunet"], "model 'halfunet' has no graph; expected one of graphlam, hilam"),
        (["--model", "hilamm"], "unknown model 'hilamm'; did you mean 'hilam'"),
        (["--set", "model.mesh_levels=7", "--set", "dataset.size=32"], "mesh_levels 7: the grid of 32 x 32 cells carries 2"),
        (["--set", "dataset.size=8", "--set", "dataset.border_size=1"], "a grid of 8 x 8 cells is too small for a mesh; expected at least 2 x 9"),
        (["--set", "mesh_levels=7"], "--set 'mesh_levels=7': expected dataset.PLACE=VALUE or model.PLACE=VALUE"),
        (["--output", "mesh.gif"], "--output mesh.gif: expected a name that ends in .png"),
    ],
)  # fmt: skip
def test_mistakes(words: list[str], message: str, tmp_path: Path) -> None:
    done = py4cast("graph", *words, cwd=tmp_path, PY4CAST_ROOTDIR=str(tmp_path / "root"))
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert message in done.stderr and not list(tmp_path.glob("*.png"))
