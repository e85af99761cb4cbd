"""A store of flat points as anemoi-datasets makes it of GRIB on a reduced Gaussian grid."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from py4cast.cubes.foreign import open_cube
from py4cast.datasets.globe import START, Waves, write_globe
from py4cast.testing import check_cube
from tests.conftest import ROOT

PEER = Path(os.environ.get("PY4CAST_PEERS", ROOT / ".peers")) / "anemoi"


@pytest.mark.slow
def test_what_anemoi_datasets_makes_is_opened_as_it_is(tmp_path: Path) -> None:
    if not PEER.exists():
        pytest.skip(f"{PEER} is absent: `make peers` installs anemoi-datasets in a folder of its own")
    grid = write_globe(tmp_path / "grib", n=8, num_times=6)
    (tmp_path / "recipe.yaml").write_text(
        f"description: test\ndates: {{start: {START}, end: {START + 5 * np.timedelta64(6, 'h')}, frequency: 6h}}\n"
        f"input: {{grib: {{path: {tmp_path}/grib/*.grib2, param: [gh, u, v, t]}}}}\n"
    )
    words = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "anemoi.datasets",
        "create",
        tmp_path / "recipe.yaml",
        tmp_path / "a.zarr",
    ]
    subprocess.run(words, check=True, capture_output=True, timeout=300, env={**os.environ, "PYTHONPATH": str(PEER)})
    cube = open_cube(tmp_path / "a.zarr", None)
    assert cube.names == ["gh_500", "t_850", "u_500", "v_500"] and cube.axis.size == 6
    assert cube.grid.same_as(grid) and cube.grid.rows == grid.rows
    check_cube(cube)
    out = np.empty((1, 2, *grid.shape), dtype=np.float32)
    cube.read(["t_850"], 2, 4, out)
    expected = [Waves(0).fields(grid, 21600.0 * step)[..., 3] for step in (2, 3)]
    np.testing.assert_allclose(out[0], expected, atol=0.01)
