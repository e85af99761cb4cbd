from dataclasses import replace

import numpy as np
import pytest
import torch

from py4cast.constraint import Constraint, bounded_array
from py4cast.learned import learned_info, transforms_of
from py4cast.limits import Limits, bounded, limits_of, reachable_of
from py4cast.normalizer import Normalizer
from py4cast.statistics import Stats
from py4cast.testing import make_info

INFO = make_info((8, 8))
FIRST, SECOND = INFO.prognostic[:2]


def limited(**constraints: Constraint):
    names = {"first": FIRST, "second": SECOND}
    of = {names[k]: c for k, c in constraints.items()}
    return replace(INFO, variables=[replace(v, constraint=of.get(v.name)) for v in INFO.variables])


def stats_of(name: str) -> tuple[float, float]:
    return INFO.stats[name]["mean"], INFO.stats[name]["std"]


def fields(seed: int = 0) -> torch.Tensor:
    return torch.randn(3, 8, 8, len(INFO.predicted), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_nothing_is_done_where_nothing_is_asked() -> None:
    assert limits_of(INFO) is None


def test_bounds_hold_and_leave_the_rest_to_the_last_digit() -> None:
    mean, std = stats_of(FIRST)
    info = limited(first=Constraint(bounds=(mean - std, mean + 0.5 * std)))
    x = fields().float()
    y = Limits(info)(x, x[..., : INFO.weather_dim])
    place = INFO.predicted.index(FIRST)
    physical = Normalizer(INFO.predicted, INFO.stats).physical(y)[..., place]
    assert float(physical.min()) >= mean - std - 1e-4 and float(physical.max()) <= mean + 0.5 * std + 1e-4
    inside = (x[..., place] > -0.99) & (x[..., place] < 0.49)
    assert torch.equal(y[..., place][inside], x[..., place][inside])
    others = [i for i in range(len(INFO.predicted)) if i != place]
    assert torch.equal(y[..., others], x[..., others])


def test_bounds_are_differentiable() -> None:
    mean, std = stats_of(FIRST)
    limits = Limits(limited(first=Constraint(bounds=(mean - std, None)))).double()
    x = fields().requires_grad_()
    limits(x, x[..., : INFO.weather_dim].detach()).sum().backward()
    place = INFO.predicted.index(FIRST)
    slope = x.grad[..., place]
    assert set(slope.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(slope == 0, x.detach()[..., place] < -1)


def test_a_part_never_exceeds_its_total() -> None:
    info = limited(first=Constraint(at_most=SECOND))
    values = torch.randn(2, 4, 4, len(INFO.predicted))
    constraints = {v.name: v.constraint for v in info.variables if v.constraint}
    within = bounded(values, INFO.predicted, constraints)
    i, j = INFO.predicted.index(FIRST), INFO.predicted.index(SECOND)
    assert bool((within[..., i] <= within[..., j]).all()) and torch.equal(within[..., j], values[..., j])
    np.testing.assert_array_equal(bounded_array(values.numpy(), INFO.predicted, constraints), within.numpy())


@pytest.mark.parametrize("bounds", [(None, None), (0.0, None)], ids=["shifted", "scaled"])
def test_a_mean_is_kept(bounds: tuple) -> None:
    info = limited(first=Constraint(conserve=True, bounds=bounds))
    # what is scaled is positive, as humidity is
    info = replace(info, stats=INFO.stats | type(INFO.stats)({FIRST: {**INFO.stats[FIRST], "mean": 3.0, "std": 1.5}}))
    limits, place = Limits(info), INFO.predicted.index(FIRST)
    normalizer = Normalizer(INFO.predicted, info.stats)
    weights = INFO.statics.area_weights.double() / INFO.statics.area_weights.double().sum()
    state, x = fields(1).float()[..., : INFO.weather_dim], fields(2).float()
    y = normalizer.physical(limits(x, state))[..., place].double()
    last = Normalizer(INFO.prognostic, info.stats).physical(state)[..., place].double()
    if bounds[0] is not None:
        assert float(y.min()) >= -1e-6
    torch.testing.assert_close((y * weights).sum((1, 2)), (last * weights).sum((1, 2)), rtol=1e-5, atol=1e-5)


def test_missing_values_stay_missing() -> None:
    values = torch.full((1, 2, 2, len(INFO.predicted)), torch.nan)
    assert bool(torch.isnan(bounded(values, INFO.predicted, {FIRST: Constraint(bounds=(0.0, 1.0))})).all())


def test_what_is_fed_back_could_be_read_from_a_file() -> None:
    info = make_info((3, 4))
    name, other = info.prognostic[:2]
    constraint = {name: Constraint(transform="angle"), other: Constraint(transform="sqrt")}
    variables = [replace(v, units="degree" if v.name == name else v.units, constraint=constraint.get(v.name)) for v in info.variables]  # fmt: skip
    table = {k: {"mean": 0.1, "std": 0.7, "min": -1.0, "max": 1.0, "count": 9.0} for k in (f"{name}_sin", f"{name}_cos", other)}  # fmt: skip
    learned = learned_info(replace(info, variables=variables, learned_stats=Stats(table), learned_diff_stats=Stats(table)))  # fmt: skip
    reachable = reachable_of(learned)
    assert reachable is not None and reachable_of(info) is None
    states = torch.randn(2, 3, 4, len(learned.prognostic), generator=torch.Generator().manual_seed(0))
    fed = reachable(states)
    normalizer = Normalizer([v.name for v in variables if v.role == "prognostic"], learned.stats, transforms_of(variables))  # fmt: skip
    torch.testing.assert_close(fed, normalizer.standardise(normalizer.physical(states)), atol=1e-4, rtol=1e-4)
    assert torch.equal(fed[..., 3:], states[..., 3:]), "what has no transform stays as it is"
