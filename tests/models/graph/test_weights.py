"""Names of the weights of neural-lam, and where they stand here."""

import pytest
import torch

from py4cast.models.graph.weights import from_neural_lam

VALUE = torch.arange(3.0)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("predictor.grid_embedder.0.weight", "grid_embedder.0.weight"),
        ("forecaster.predictor.output_map.2.bias", "output_map.2.bias"),
        ("g2m_gnn.aggr_mlp.0.weight", "g2m_gnn.aggr_mlp.0.weight"),
        ("processor.module_3.edge_mlp.0.weight", "processor.3.edge_mlp.0.weight"),
        ("processor.module_2.aggr_mlp.3.bias", "processor.2.aggr_mlp.3.bias"),
    ],
)
def test_a_name_loses_what_neural_lam_puts_before_it(theirs: str, ours: str) -> None:
    renamed = from_neural_lam({theirs: VALUE})
    assert list(renamed) == [ours] and renamed[ours] is VALUE


def test_limits_of_clamping_are_no_weights() -> None:
    assert from_neural_lam({"predictor.sigmoid_lower_lims": VALUE, "clamp_lower_upper_idx": VALUE}) == {}


@pytest.mark.parametrize(
    ("index", "place"),
    [(0, "same.0"), (2, "same.2"), (3, "up.0"), (4, "up.1"), (5, "down.0"), (6, "down.1")],
)
def test_joint_layers_of_edges_come_apart_in_sets(index: int, place: str) -> None:
    embedders = {f"predictor.mesh_embedders.{level}.0.bias": VALUE for level in range(3)}
    joint = {f"predictor.processor.module_1.edge_mlp.mlps.{index}.2.weight": VALUE}
    renamed = from_neural_lam(embedders | joint)
    assert set(renamed) - {f"mesh_embedders.{k}.0.bias" for k in range(3)} == {f"rounds.1.{place}.edge_mlp.2.weight"}


def test_joint_layers_of_nodes_are_one_per_level() -> None:
    renamed = from_neural_lam({"processor.module_0.aggr_mlp.mlps.2.0.weight": VALUE})
    assert list(renamed) == ["rounds.0.aggr_mlps.2.0.weight"]


def test_more_sets_of_edges_than_the_levels_have_are_refused() -> None:
    weights = {"mesh_embedders.1.0.bias": VALUE, "processor.module_0.edge_mlp.mlps.4.0.weight": VALUE}
    with pytest.raises(ValueError, match="2 levels have 4 sets of edges"):
        from_neural_lam(weights)
