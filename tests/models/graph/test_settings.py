"""Settings of graph networks: their bounds."""

import pytest

from py4cast.models.graph.settings import GraphSettings


@pytest.mark.parametrize("name", ["hidden_dims", "hidden_layers", "processor_layers", "mesh_levels"])
def test_counts_are_at_least_1(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least 1, found -2"):
        GraphSettings(**{name: -2})  # type: ignore[arg-type]
    assert getattr(GraphSettings(**{name: 1}), name) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("spacing", [0.99, float("nan")])
def test_a_spacing_is_at_least_a_cell(spacing: float) -> None:
    with pytest.raises(ValueError, match=f"mesh_spacing must be at least 1 cell, found {spacing}"):
        GraphSettings(mesh_spacing=spacing)
    assert GraphSettings(mesh_spacing=1.0).mesh_spacing == 1.0


def test_the_other_packages_mesh_has_its_own_spacing() -> None:
    with pytest.raises(
        ValueError, match="mesh_spacing has no effect with mesh='neural_lam'; expected mesh='rectangular'"
    ):
        GraphSettings(mesh="neural_lam", mesh_spacing=3.0)
