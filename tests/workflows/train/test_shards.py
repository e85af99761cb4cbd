"""A training whose network lies in pieces is the one of whole networks, and is gone on with by any number of ranks."""

from pathlib import Path

import pytest
import torch

from py4cast.forecaster import Forecaster
from tests.command import py4cast
from tests.conftest import ROOT
from tests.workflows.train.test_domain import results, words_of
from tests.workflows.train.test_ranks import two_ranks


@pytest.mark.slow
def test_pieces_learn_what_whole_networks_learn_and_are_gone_on_with_whole(tmp_path: Path) -> None:
    words = words_of("unetrpp", "hidden_size=32", "num_heads=2", "depths=[1,1,1,1]")
    folders = {}
    for how in ("fsdp", "ddp"):
        done = two_ranks(tmp_path / how, ROOT / "bin" / "train.py", *words, "--distributed", how)
        assert done.returncode == 0, done.stderr[-3000:]
        folders[how] = tmp_path / how / "logs" / "default" / "dummy" / "unetrpp" / "run"
    (losses, scores), (of_whole, scores_of_whole) = results(folders["fsdp"]), results(folders["ddp"])
    for key, value in of_whole.items():
        assert losses[key] == pytest.approx(value, rel=1e-5), key
    assert scores["model"]["t2m"]["rmse"] == pytest.approx(scores_of_whole["model"]["t2m"]["rmse"], rel=1e-4)
    pieces, whole = (torch.load(f / "checkpoints" / "last.ckpt", weights_only=True) for f in folders.values())
    for name, weight in whole["state_dict"].items():
        # what has next to no gradient moves as its rounding says
        torch.testing.assert_close(pieces["state_dict"][name], weight, rtol=1e-2, atol=2e-3)
    moments = [state["optimizer_states"][0]["state"] for state in (pieces, whole)]
    assert moments[0].keys() == moments[1].keys()
    Forecaster.load(folders["fsdp"] / "forecaster.safetensors")
    words[words.index("--epochs") + 1] = "2"
    further = py4cast("train", *words, "--resume", PY4CAST_ROOTDIR=str(tmp_path / "fsdp"))
    assert further.returncode == 0, further.stderr
    again = results(folders["fsdp"])[0]
    assert (1, "val_mean_loss") in again and again[1, "val_mean_loss"] < again[0, "val_mean_loss"]
