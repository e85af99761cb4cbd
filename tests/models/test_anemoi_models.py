"""Parity with anemoi-models: the same weights on the same edges give the same nodes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from py4cast.formats.reduced import octahedral
from py4cast.models.graph.along import EdgeProducts
from py4cast.models.graph.attention import EdgeAttention
from py4cast.models.graph.edges import Edges
from py4cast.models.graph.graph import build_graph
from py4cast.models.graph.settings import MeshSettings

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).parent / "golden" / "anemoi_models_blocks.npz"
PEER = Path(os.environ.get("PY4CAST_PEERS", ROOT / ".peers")) / "anemoi_models"
_NAMES = {
    "query": "lin_query", "key": "lin_key", "value": "lin_value", "edge": "lin_edge", "self_term": "lin_self", "projection": "projection",
    "norm": "layer_norm_attention", "feed_forward.norm": "layer_norm_mlp_dst",
}  # fmt: skip


def relative_error(a: dict[str, np.ndarray], name: str) -> float:
    """Of one layer here with the weights of one block there."""
    theirs = {
        k.removeprefix(f"{name}/weights/"): torch.from_numpy(v) for k, v in a.items() if k.startswith(f"{name}/weights")
    }
    nodes = torch.from_numpy(a["nodes"]).unsqueeze(1)
    senders = nodes if name == "processor" else torch.from_numpy(a["cells"]).unsqueeze(1)
    edges = Edges(a[f"{name}/senders"], a[f"{name}/receivers"], len(senders), len(nodes))
    layer = EdgeAttention(EdgeProducts(edges), nodes.shape[-1], 2, 4, edge_width=3, is_within=name == "processor")
    names = dict(_NAMES)
    if name == "mapper":
        names["sender_norm"] = "layer_norm_attention_src"
    state = {
        f"{ours}.{part}": theirs[f"{other}.{part}"] for ours, other in names.items() for part in ("weight", "bias")
    }
    if name == "processor":
        state |= {f"sender_norm.{part}": state[f"norm.{part}"] for part in ("weight", "bias")}
    for part in ("weight", "bias"):
        mlp = sorted(k for k in theirs if k.startswith("node_dst_mlp") and k.endswith(part))
        state |= {f"feed_forward.{ours}.{part}": theirs[k] for ours, k in zip(("widen", "narrow"), mlp, strict=True)}
    layer.load_state_dict(state, strict=False)
    assert {k for k in layer.state_dict() if not k.startswith("products.")} == set(state)
    y = layer(senders, nodes, torch.from_numpy(a[f"{name}/features"]).unsqueeze(1))[:, 0]
    expected = a[f"{name}/output"]
    return float(np.abs(y.detach().numpy() - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize("name", ["mapper", "processor"])
def test_a_layer_is_their_block(name: str) -> None:
    assert relative_error(dict(np.load(GOLDEN)), name) < 1e-5


def test_a_layer_is_their_block_now(tmp_path: Path) -> None:
    if not PEER.exists():
        pytest.skip(f"{PEER} is absent: `make peers` installs anemoi-models in a folder of its own")
    graph = build_graph(octahedral(8), MeshSettings(), False)
    np.savez(tmp_path / "graph.npz", **graph.pack())
    script = ROOT / "benchmarks" / "peers" / "anemoi_models_peer.py"
    words = [sys.executable, script, "export", tmp_path / "graph.npz", tmp_path / "peer.npz"]
    subprocess.run(words, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(PEER)}, timeout=300)
    a = dict(np.load(tmp_path / "peer.npz"))
    assert max(relative_error(a, name) for name in ("mapper", "processor")) < 1e-5
