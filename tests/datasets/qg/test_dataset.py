"""qg: the flow, its subgrid term, regimes, resuming, content-addressed stores, and what is refused."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from py4cast.datasets import get_datasets
from py4cast.datasets.qg.dataset import Qg
from py4cast.datasets.qg.settings import TIME_UNIT, QgSettings
from py4cast.datasets.qg.simulation import Simulation
from py4cast.errors import SettingsError
from py4cast.physics import registry
from py4cast.settings import decode
from py4cast.testing import check_dataset

TINY = ["fine=32", "coarse=16", "step=0.02", "spinup=4", "num_train=10", "num_valid=6", "num_test=6"]


def settings(*overrides: str) -> QgSettings:
    return Qg.read_settings(None, [*TINY, *overrides])


@pytest.mark.parametrize(
    ("regime", "filter_"), [("decaying", "gaussian"), ("forced", "gaussian"), ("beta_plane", "cut_off")]
)
def test_the_subgrid_tendency_closes_the_coarse_equation(regime: str, filter_: str) -> None:
    own = [*TINY, f"regime={regime}", f"filter={filter_}", "spinup=12" if regime != "decaying" else "spinup=0.1"]
    # short steps: over one the term is held as it is at its beginning, the wind as in its middle
    own += ["step=0.01", "num_substeps=1"]
    train = get_datasets("qg", 1, 1, 1, None, own)[0]
    check_dataset(train)
    info = train.info
    kind = registry.get("barotropic")
    physics = kind(decode(kind.settings_kls, info.lineage["physics"]["barotropic"]), info.grid)  # type: ignore[call-arg]
    errors: dict[bool, list[float]] = {False: [], True: []}
    for i in range(0, len(train), 3):
        item = train[i]
        assert item.outputs is not None
        state = item.inputs.tensor
        truth = item.outputs["vorticity"][0]
        forcing = None if item.forcing is None else item.forcing.tensor
        rate = item.outputs["subgrid_tendency"]
        seconds = float(info.step_duration / np.timedelta64(1, "s"))
        for closed in (False, True):
            later = physics.advance(state, seconds / 4, 4, forcing, rate if closed else None)
            errors[closed].append(float((later[0] - truth).square().mean().sqrt() / truth.std()))
    assert np.mean(errors[True]) < 0.2 * np.mean(errors[False]) and np.mean(errors[False]) > 1e-6, errors
    # the stream function is the physics' own of the state
    item = train[0]
    assert item.outputs is not None
    derived = physics.derive(item.outputs["vorticity"], ("stream_function",))
    stored = item.outputs["stream_function"]
    torch.testing.assert_close(derived, stored, atol=1e-5 * float(stored.abs().max()), rtol=1e-4)


def test_a_decaying_flow_loses_enstrophy_and_has_no_forcing() -> None:
    train, _, test = get_datasets("qg", 1, 1, 1, None, [*TINY, "regime=decaying", "num_runs=2"])
    assert train.info.forcing == [] and train.info.lineage["physics"]["barotropic"]["drag"] == 0.0
    # 2 runs of 10 instants: samples do not go from one to the next
    assert len(train) == 18 and len(test) == 10
    strengths = [float(train[i].inputs.tensor.square().mean()) for i in range(9)]
    assert all(b < a for a, b in pairwise(strengths)), strengths
    assert float((train[0].inputs.tensor - train[9].inputs.tensor).abs().max()) > 1e-7, "runs differ"


def test_splits_are_flows_of_their_own() -> None:
    splits = get_datasets("qg", 1, 1, 1, None, TINY)
    fields = [s[0].inputs.tensor for s in splits]
    assert all(float((a - b).abs().max()) > 1e-7 for a, b in ((fields[0], fields[1]), (fields[1], fields[2])))
    spans = [(s.init_times.min(), s.init_times.max()) for s in splits]
    assert spans[0][1] < spans[1][0] and spans[1][1] < spans[2][0]
    again = get_datasets("qg", 1, 1, 1, None, TINY)[0]
    assert torch.equal(again[3].inputs.tensor, splits[0][3].inputs.tensor)


def test_work_that_is_killed_goes_on_to_the_same_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import py4cast.datasets.qg.dataset as dataset

    monkeypatch.setattr(dataset, "_BLOCK", 3)
    whole = Qg.make(settings("num_train=9"))
    monkeypatch.setenv("PY4CAST_ROOTDIR", str(tmp_path / "other"))
    planes, steps = Simulation.planes, []

    def killed(self: Simulation, index: int) -> dict:
        if index == 7 and len(steps) < 1:
            steps.append(index)
            raise KeyboardInterrupt
        return planes(self, index)

    monkeypatch.setattr(Simulation, "planes", killed)
    with pytest.raises(KeyboardInterrupt):
        Qg.make(settings("num_train=9"))
    spun: list[int] = []
    run = Simulation._spun_up
    monkeypatch.setattr(Simulation, "_spun_up", lambda self: (spun.append(self.seed), run(self))[1])
    resumed = Qg.make(settings("num_train=9"))
    assert resumed.meta["digest"] == whole.meta["digest"]
    assert 0 not in spun, "the training run goes on from its last state on disk"
    assert not list((tmp_path / "other").rglob("*-states")), "what is needed no longer is gone"


def test_a_longer_flow_begins_where_the_shorter_one_did(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    short = Qg.make_split(settings(), "test")
    monkeypatch.setattr(Simulation, "_spun_up", lambda self: pytest.fail("spun up again"))
    longer = Qg.make_split(settings("num_test=9", "filter=gaussian"), "test")
    monkeypatch.undo()
    monkeypatch.setenv("PY4CAST_ROOTDIR", str(tmp_path / "other"))
    anew = Qg.make_split(settings("num_test=9", "filter=gaussian"), "test")
    assert longer.meta["digest"] == anew.meta["digest"] != short.meta["digest"]


def test_a_store_is_named_by_what_it_is_made_from(own_root: Path) -> None:
    first = Qg.make(settings())
    known = {p.name for p in (own_root / "cache" / "qg").iterdir()}
    assert Qg.make(settings("num_test=7")).path == first.path, "a longer test is no reason to learn anew"
    assert Qg.make(settings("drag=0.03")).path != first.path
    assert len({p.name for p in (own_root / "cache" / "qg").iterdir()} - known) == 1 + 3


def test_progress_is_told_step_by_step() -> None:
    from py4cast.progress import Preparation

    class Told:
        def __init__(self) -> None:
            self.stages: list[tuple[str, int]] = []
            self.done = 0

        def start(self, what: str, total: int) -> None:
            self.stages.append((what, total))

        def step(self, count: int = 1) -> None:
            self.done += count

    told = Told()
    Qg.make(settings(), Preparation(told))
    assert [what for what, _ in told.stages] == ["simulating train", "simulating valid", "simulating test"]
    assert told.done == sum(total for _, total in told.stages)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["coarse=64"], "coarse 64 points a side are more than the fine 32"),
        (["coarse=15"], "15 points a side: expected an even number of at least 8; the nearest is 16"),
        (["fine=33"], "33 points a side"),
        (["num_train=1"], "every split must have at least 2 instants"),
        (["drag=-1"], "drag and wind not negative"),
        (["regime=forcd"], "regime"),
    ],
)
def test_what_cannot_be_simulated_is_refused(overrides: list[str], message: str) -> None:
    with pytest.raises((SettingsError, ValueError), match=message):
        get_datasets("qg", 1, 1, 1, None, [*TINY, *overrides])


def test_a_step_that_is_too_long_is_refused_with_the_largest() -> None:
    with pytest.raises(SettingsError, match=r"violates the CFL condition: the largest stable step .* is 0\.\d+"):
        get_datasets("qg", 1, 1, 1, None, [*TINY, "regime=decaying", "step=1.0"])


def test_the_paper_is_the_papers() -> None:
    plan = QgSettings(size="paper", regime="beta_plane").plan()
    assert (plan.fine, plan.coarse, plan.step, plan.num_substeps) == (2048, 128, 1e-4, 16)
    # Frezat et al. (2022): ν = 22 m² s⁻¹, β = 1.14e-11 m⁻¹ s⁻¹, μ = 1.25e-8·… in units of l = 504e4/π m and 1.2e6 s
    length = 10_080_000.0 / (2 * np.pi)
    assert plan.viscosity * length**2 / TIME_UNIT == pytest.approx(22, rel=0.01)
    assert plan.beta / (length * TIME_UNIT) == pytest.approx(1.14e-11, rel=0.01)
