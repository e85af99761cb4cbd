import math

import pytest
import torch

from py4cast.constraint import Constraint
from py4cast.errors import SettingsError
from py4cast.normalizer import Normalizer
from py4cast.statistics import Stats
from py4cast.transforms import TransformABC, transform_of
from py4cast.variables import Variable


def made(transform: str, units: str = "1", **settings: object) -> TransformABC:
    return transform_of(Variable(name="x", units=units, constraint=Constraint(transform=transform, **settings)))


@pytest.mark.parametrize(
    ("transform", "units", "value", "expected"),
    [
        ("log", "mm", [6.0], [math.log(4.0)]),
        ("sqrt", "mm", [9.0, 0.0], [3.0, 0.0]),
        ("logit", "1", [0.5, 1.0, 0.0], [0.0, math.log(101.0), -math.log(101.0)]),
        ("logit", "%", [50.0, 100.0], [0.0, math.log(101.0)]),
        ("none", "K", [-3.0], [-3.0]),
    ],
    ids=["log", "sqrt", "fraction", "percent", "none"],
)
def test_closed_forms_and_back(transform: str, units: str, value: list[float], expected: list[float]) -> None:
    of = made(transform, units, **({"scale": 2.0} if transform == "log" else {}))
    x = torch.tensor(value, dtype=torch.float64).unsqueeze(-1)
    learned = of.forward(x)
    torch.testing.assert_close(learned.squeeze(-1), torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(of.inverse(learned), x)


@pytest.mark.parametrize(("units", "quarter"), [("degree", 90.0), ("radian", math.pi / 2)], ids=["degree", "radian"])
def test_an_angle_is_its_sine_and_cosine(units: str, quarter: float) -> None:
    of = made("angle", units)
    x = torch.tensor([[0.0], [quarter], [3 * quarter]], dtype=torch.float64)
    learned = of.forward(x)
    torch.testing.assert_close(learned, torch.tensor([[0.0, 1.0], [1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64))
    torch.testing.assert_close(of.inverse(learned), x)


@pytest.mark.parametrize("transform", ["log", "sqrt", "logit", "angle"])
def test_gradients_are_right_and_finite_at_the_edge(transform: str) -> None:
    of = made(transform, "degree" if transform == "angle" else "1")
    x = torch.rand(5, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(of.forward, x)
    assert torch.autograd.gradcheck(of.inverse, of.forward(x).detach().requires_grad_())
    edge = torch.zeros(1, 1, requires_grad=True)
    of.inverse(of.forward(edge)).sum().backward()
    assert torch.isfinite(edge.grad).all()


def test_values_beyond_the_edge_are_taken_as_the_edge() -> None:
    for transform, value in (("log", -5.0), ("sqrt", -1.0), ("logit", 1.2), ("logit", -0.2)):
        of = made(transform)
        x = torch.tensor([[value]])
        assert torch.isfinite(of.forward(x)).all() and not bool(of.is_defined(x))


def test_units_that_are_no_fraction_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"variables.x: transform logit: units 'K'"):
        made("logit", "K")
    with pytest.raises(SettingsError, match=r"variables.x: transform angle: units 'm s-1'"):
        made("angle", "m s-1")
    with pytest.raises(
        SettingsError, match=r"variables.x: transform angle: it has no units; give them, such as radian or degree"
    ):
        made("angle", "")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale": 0.0, "transform": "log"}, "scale 0: expected more than 0"),
        ({"scale": 1.0}, "scale 1: of the transforms log and logit"),
        ({"bounds": (1.0, 1.0)}, r"bounds \[1.0, 1.0\]: expected the least below"),
        ({"bounds": (0.0, float("inf"))}, "expected finite numbers"),
        ({"transform": "angle", "bounds": (0.0, None)}, "an angle has no bounds"),
        ({"transform": "log", "conserve": True}, "conserve with the transform log"),
        ({"conserve": True, "bounds": (0.0, 1.0)}, "conserve goes with no bounds"),
    ],
)
def test_constraints_that_contradict_themselves_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Constraint(**settings)


def row(mean: float, std: float) -> dict[str, float]:
    return {"mean": mean, "std": std, "min": 0.0, "max": 0.0, "count": 1.0}


def test_a_normalizer_standardises_what_is_learned() -> None:
    stats = Stats({"t": row(280.0, 4.0), "tp": row(1.0, 2.0), "dd_sin": row(0.0, 1.0), "dd_cos": row(0.0, 0.5)})
    kinds = {"tp": made("log"), "dd": made("angle", "degree")}
    normalizer = Normalizer(["t", "dd", "tp"], stats, kinds)
    assert normalizer.learned == ["t", "dd_sin", "dd_cos", "tp"]
    x = torch.tensor([[284.0, 180.0, math.e - 1]], dtype=torch.float64)
    standardised = normalizer.standardise(x)
    torch.testing.assert_close(standardised, torch.tensor([[1.0, 0.0, -2.0, 0.0]], dtype=torch.float64))
    torch.testing.assert_close(normalizer.physical(standardised), x)


@pytest.mark.parametrize(("transform", "units"), [("none", "K"), ("log", "mm"), ("sqrt", "mm"), ("logit", "1"), ("angle", "degree")])  # fmt: skip
def test_within_is_there_and_back(transform: str, units: str) -> None:
    made_of = made(transform, units)
    learned = 4.0 * torch.randn(
        500, len(made_of.parts), dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    within = made_of.within(learned)
    torch.testing.assert_close(within, made_of.forward(made_of.inverse(learned)), atol=2e-4, rtol=2e-4)
    torch.testing.assert_close(made_of.within(within), within)


def test_no_direction_at_all_becomes_one() -> None:
    made_of = made("angle", "degree")
    nothing = torch.zeros(1, 2, requires_grad=True)
    within = made_of.within(nothing)
    torch.testing.assert_close(within, made_of.forward(made_of.inverse(nothing)))
    within.sum().backward()
    assert nothing.grad is not None and bool(torch.isfinite(nothing.grad).all())
