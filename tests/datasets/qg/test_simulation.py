from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py4cast.datasets.qg.settings import LENGTH, QgSettings
from py4cast.datasets.qg.simulation import Simulation
from py4cast.errors import NumericalError
from py4cast.physics.spectral import SpectralGrid

TINY: dict[str, Any] = {
    "fine": 32, "coarse": 16, "step": 0.02, "num_substeps": 2, "spinup": 0.4, "num_train": 4, "num_valid": 2, "num_test": 2,
}  # fmt: skip


def simulation(
    folder: Path, seed: int = 0, told: list[int] | None = None, keep_every: int = 2, **asked: Any
) -> Simulation:
    plan = QgSettings(**{**TINY, **asked}).plan()
    steps = [] if told is None else told
    return Simulation(plan, seed, folder / "states", folder / "spun-up", keep_every, steps.append)


def spectrum(field: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Squared sizes of the waves of a field, and their wavenumber."""
    waves = np.fft.fftfreq(field.shape[0], 1 / field.shape[0])
    return np.abs(np.fft.fft2(field) / field.size) ** 2, np.hypot(*np.meshgrid(waves, waves))


@pytest.mark.parametrize("seed", [0, 7])
def test_a_forced_flow_begins_with_weak_large_eddies(tmp_path: Path, seed: int) -> None:
    run = simulation(tmp_path, seed)
    power, k = spectrum(run.grid.field(run.first_state(run.grid)).numpy().astype(np.float64))
    energy = 0.5 * (power[k > 0] / k[k > 0] ** 2).sum()
    assert energy == pytest.approx(0.01, rel=1e-4)
    band = (k >= 3) & (k <= 5)
    assert power[~band].sum() < 1e-10 * power.sum() and power[band].min() > 0


def test_a_decaying_flow_begins_with_strong_small_eddies(tmp_path: Path) -> None:
    run = simulation(tmp_path, regime="decaying")
    power, k = spectrum(run.grid.field(run.first_state(run.grid)).numpy().astype(np.float64))
    assert 0.5 * power.sum() == pytest.approx(8.0, rel=1e-4), "enstrophy"
    assert power[(k < 16 / 6.4) | (k > 8)].sum() < 1e-10 * power.sum()


def test_a_first_state_is_one_of_its_seed_on_any_grid(tmp_path: Path) -> None:
    run, wider = simulation(tmp_path), SpectralGrid(48)
    state = run.first_state(run.grid)
    np.testing.assert_allclose(run.grid.resize(run.first_state(wider)), state, atol=1e-6)
    np.testing.assert_array_equal(simulation(tmp_path).first_state(run.grid), state)
    assert not np.allclose(simulation(tmp_path, 1).first_state(run.grid), state, atol=0.01)


@pytest.mark.parametrize(
    ("asked", "steps"),
    [
        ({}, 10 + 2),  # 0.4 at twice the step of 0.02, and an eighth of it at the step
        ({"spinup": 0.0}, 0),
        ({"regime": "decaying"}, 20),
        ({"regime": "decaying", "spinup": None}, 25),
    ],
)
def test_the_spin_up_and_every_instant_are_told_step_by_step(tmp_path: Path, asked: dict[str, Any], steps: int) -> None:
    told: list[int] = []
    run = simulation(tmp_path, told=told, **asked)
    assert run.num_spinup_steps == steps
    run.planes(0)
    assert sum(told) == steps + 2, "the first instant ends an interval of its own"
    run.planes(2)
    assert sum(told) == steps + 6


@pytest.mark.parametrize("filter_", ["cut_off", "gaussian"])
def test_the_stream_function_is_that_of_the_vorticity(tmp_path: Path, filter_: str) -> None:
    planes = simulation(tmp_path, filter=filter_).planes(1)
    assert set(planes) == {"vorticity", "subgrid_tendency", "stream_function", "vorticity_forcing"}
    assert all(p.shape == (16, 16) and p.dtype == np.float32 for p in planes.values())
    waves = 2 * np.pi / LENGTH * np.fft.fftfreq(16, 1 / 16)
    square = waves[:, None] ** 2 + waves[None, :] ** 2
    psi = np.fft.fft2(planes["stream_function"].astype(np.float64))
    laplacian = np.fft.ifft2(-square * psi).real
    vorticity = planes["vorticity"].astype(np.float64)
    np.testing.assert_allclose(laplacian, vorticity, atol=1e-4 * np.abs(vorticity).max())
    assert abs(vorticity.mean()) < 1e-6 * np.abs(vorticity).max()


def test_a_flow_without_wind_has_no_forcing(tmp_path: Path) -> None:
    assert "vorticity_forcing" not in simulation(tmp_path, wind=0.0).planes(0)


def test_a_grid_that_sees_all_but_the_corners_lacks_little(tmp_path: Path) -> None:
    whole, coarse = (simulation(tmp_path / str(n), coarse=n).planes(1) for n in (32, 16))
    scale = np.abs(coarse["subgrid_tendency"]).max()
    assert np.abs(whole["subgrid_tendency"]).max() < 0.01 * scale


def test_nothing_is_lost_without_viscosity_drag_and_wind(tmp_path: Path) -> None:
    run = simulation(tmp_path, regime="decaying", coarse=32, spinup=0.0, viscosity=0.0, step=0.002)
    invariants = []
    for index in (0, 10):
        run.planes(index)
        power, k = spectrum(run.grid.field(run._state).numpy().astype(np.float64))
        invariants.append((power.sum(), (power[k > 0] / k[k > 0] ** 2).sum()))
    np.testing.assert_allclose(invariants[1], invariants[0], rtol=1e-4)
    assert not np.allclose(run.planes(10)["vorticity"], run.planes(0)["vorticity"], atol=1e-8), "it has moved"


def test_drag_alone_weakens_every_wave_alike(tmp_path: Path) -> None:
    quiet: dict[str, Any] = {
        "regime": "forced",
        "wind": 0.0,
        "viscosity": 0.0,
        "spinup": 0.0,
        "coarse": 32,
        "step": 0.01,
    }
    free, dragged = (simulation(tmp_path / str(drag), drag=drag, **quiet) for drag in (0.0, 0.5))
    sizes = [[float(np.square(run.planes(i)["vorticity"]).mean()) for i in (0, 5)] for run in (free, dragged)]
    # ∂ω/∂t = −μ ω over five intervals of two steps
    assert sizes[1][1] / sizes[1][0] == pytest.approx(np.exp(-2 * 0.5 * 5 * 0.02), rel=1e-3)
    assert sizes[0][1] / sizes[0][0] == pytest.approx(1.0, rel=1e-3)


def test_earlier_instants_are_made_again_alike(tmp_path: Path) -> None:
    run = simulation(tmp_path)
    first = [run.planes(index) for index in range(6)]
    for index in (5, 4, 1, 0):
        for name, plane in run.planes(index).items():
            np.testing.assert_array_equal(plane, first[index][name], err_msg=f"{name} of {index}")


def test_a_run_goes_on_from_its_last_state_on_disk(tmp_path: Path) -> None:
    whole = simulation(tmp_path / "whole").planes(5)
    simulation(tmp_path).planes(4)
    kept = sorted(int(p.stem.split("_")[1]) for p in (tmp_path / "states").iterdir())
    assert kept == [1, 3], "before every two instants, and the one before it"
    told: list[int] = []
    again = simulation(tmp_path, told=told).planes(5)
    assert sum(told) == 2 * 2, "two instants after the third"
    for name, plane in again.items():
        np.testing.assert_array_equal(plane, whole[name])


def test_the_spun_up_state_is_shared_by_all_that_looks_at_the_same_flow(tmp_path: Path) -> None:
    first = simulation(tmp_path)
    first.planes(0)
    told: list[int] = []
    other = Simulation(
        QgSettings(**{**TINY, "num_test": 9, "diagnostics": (), "filter": "gaussian"}).plan(), 0, tmp_path / "others",
        tmp_path / "spun-up", 2, told.append,
    )  # fmt: skip
    other.planes(0)
    assert told[0] == other.num_spinup_steps and len(list((tmp_path / "spun-up").iterdir())) == 1
    np.testing.assert_array_equal(other._state, first._state)
    simulation(tmp_path, seed=1).planes(0)
    plan = QgSettings(**{**TINY, "drag": 0.5}).plan()
    Simulation(plan, 0, tmp_path / "dragged", tmp_path / "spun-up", 2, told.append).planes(0)
    assert len(list((tmp_path / "spun-up").iterdir())) == 3, "another seed and another drag are other flows"


def test_a_flow_that_blows_up_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NumericalError, match=r"qg, seed 3: the flow blew up before time -?0\.000"):
        simulation(tmp_path, seed=3, wind=1e30, spinup=0.0).planes(0)
