"""What is pushed is what is pulled, checked; a list that is forged takes nothing."""

import json
from pathlib import Path

import pytest
import torch

from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.workflows.sharing.repository import pull, push
from tests.command import py4cast
from tests.loopback import served
from tests.workflows.forecast.test_run import saved


def test_a_forecaster_goes_and_comes_back(tmp_path: Path) -> None:
    own, path = saved(tmp_path / "run")
    place = push(tmp_path / "run", str(tmp_path / "repo"), note="for | tests <b>")
    assert sorted(p.name for p in Path(place).iterdir()) == [
        "README.md",
        "config.json",
        "forecaster.safetensors",
        "py4cast.json",
    ]
    card = (tmp_path / "repo" / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: py4cast\n") and "for \\| tests &lt;b>" in card and "| t2m | K |" in card
    weights = pull(place, tmp_path / "here")
    assert weights == tmp_path / "here" / "forecaster.safetensors" and weights.read_bytes() == Path(path).read_bytes()
    again = Forecaster.load(weights)
    assert all(torch.equal(a, b) for a, b in zip(own.state_dict().values(), again.state_dict().values(), strict=True))
    config = json.loads((tmp_path / "here" / "config.json").read_text())
    assert config["model"] == "halfunet" and "lineage" in config
    push(path, place)  # a newer one takes its place


def test_over_http_and_to_any_file_system(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    _, path = saved(tmp_path / "run")
    push(path, str(tmp_path / "repo"))
    with served(tmp_path) as (url, _):
        assert pull(f"{url}/repo", tmp_path / "here").read_bytes() == Path(path).read_bytes()
        with pytest.raises(DataError, match="no repository of py4cast: .*nothing is there"):
            pull(f"{url}/run", tmp_path / "x")
    place = push(path, f"file://{tmp_path}/other")
    assert place == f"file://{tmp_path}/other" and pull(place, tmp_path / "y").exists()
    with pytest.raises(DataError, match="cannot be written"):
        push(path, "file:///proc/nothing/here")


def test_a_step_goes_too(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    _, path = saved(tmp_path / "run")
    done = py4cast("export", "--forecaster", path, "--output", str(tmp_path / "step.onnx"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    push(tmp_path / "step.onnx", str(tmp_path / "repo"))
    assert pull(str(tmp_path / "repo"), tmp_path / "here").read_bytes() == (tmp_path / "step.onnx").read_bytes()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d["files"].update({"../evil.md": {"bytes": 1, "sha256": ""}}), r"its list names '../evil.md'"),
        (lambda d: d["files"].update({"model.pkl": {"bytes": 1, "sha256": ""}}), "expected safetensors, ONNX, JSON or Markdown"),
        (lambda d: d["files"].update({"/etc/a.json": {}}), "its list names"),
        (lambda d: d["files"]["config.json"].update(sha256="0" * 64), r"config.json is not what its list says \(checksum\)"),
        (lambda d: d.update(weights="README.md"), "its list names 'README.md'"),
        (lambda d: d.update(format=99), "no repository that this version reads; found format 99"),
        (lambda d: d.update(files=[]), "no repository"),
    ],
    ids=["above", "pickle", "absolute", "checksum", "weights", "format", "files"],
)  # fmt: skip
def test_a_forged_list_takes_nothing(change, told: str, tmp_path: Path) -> None:
    _, path = saved(tmp_path / "run")
    push(path, str(tmp_path / "repo"))
    document = json.loads((tmp_path / "repo" / "py4cast.json").read_text())
    change(document)
    (tmp_path / "repo" / "py4cast.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=told):
        pull(str(tmp_path / "repo"), tmp_path / "here")
    assert not (tmp_path / "here").exists()


def test_a_damaged_file_is_not_pushed_and_a_foreign_folder_stays(tmp_path: Path) -> None:
    _, path = saved(tmp_path / "run")
    data = bytearray(Path(path).read_bytes())
    data[-1] ^= 1
    (tmp_path / "broken.safetensors").write_bytes(data)
    with pytest.raises(DataError, match="damaged"):
        push(tmp_path / "broken.safetensors", str(tmp_path / "repo"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("mine")
    with pytest.raises(SettingsError, match="holds other things than a repository"):
        push(path, str(tmp_path / "mine"))
    with pytest.raises(SettingsError, match="expected a Forecaster"):
        push(tmp_path / "mine" / "a.txt", str(tmp_path / "repo"))


def test_the_verbs_tell_where_it_is(tmp_path: Path) -> None:
    _, path = saved(tmp_path / "run")
    pushed = py4cast("push", path, "repo", cwd=tmp_path)
    assert pushed.returncode == 0 and pushed.stdout == "repo\n", pushed.stderr
    pulled = py4cast("pull", "repo", "--output", "here", cwd=tmp_path)
    assert pulled.returncode == 0 and pulled.stdout == "here/forecaster.safetensors\n", pulled.stderr
    none = py4cast("pull", "nowhere", "--output", "x", cwd=tmp_path)
    assert none.returncode == 3 and "no repository of py4cast" in none.stderr
