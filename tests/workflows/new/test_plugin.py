import subprocess
import sys
from pathlib import Path

import pytest

from py4cast.errors import SettingsError
from py4cast.workflows.new.plugin import new_plugin
from tests.command import py4cast


def test_the_package_keeps_the_contract_and_trains(tmp_path: Path) -> None:
    files = new_plugin("windy_net", tmp_path)
    root = tmp_path / "py4cast-windy-net"
    assert {f.relative_to(root).as_posix() for f in files} == {
        "pyproject.toml", "windy_net_model/__init__.py", "windy_net_model/model.py", "tests/test_model.py",
        "config/windy_net.json", "README.md",
    }  # fmt: skip
    site = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(site), str(root)],
        check=True, capture_output=True,
    )  # fmt: skip
    listed = py4cast("plugins", cwd=tmp_path, PYTHONPATH=str(site))
    assert listed.returncode == 0 and "windy_net" in listed.stdout
    words = [
        "--set",
        "dataset.size=16",
        "--model",
        "windy_net",
        "--model_conf",
        str(root / "config" / "windy_net.json"),
    ]
    done = py4cast(
        "train", *words, "--dev_mode", "--no_log", "--num_pred_steps_val_test", "2", cwd=tmp_path, PYTHONPATH=str(site)
    )
    assert done.returncode == 0, done.stderr
    checked = subprocess.run(
        [sys.executable, "-c", "from py4cast.testing import check_model; check_model('windy_net')"],
        env={"PYTHONPATH": f"{site}:{Path.cwd() if (Path.cwd() / 'py4cast').is_dir() else Path(__file__).parents[3]}", "PATH": ""},
        capture_output=True, text=True,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("My-Net", "expected small letters"),
        ("class", "expected small letters"),
        ("unet", "there is a model of this name"),
    ],
)
def test_a_name_that_is_none_or_taken_is_refused(name: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=told):
        new_plugin(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_there_stays(tmp_path: Path) -> None:
    new_plugin("windy_net", tmp_path)
    with pytest.raises(SettingsError, match="exists; choose another name"):
        new_plugin("windy_net", tmp_path)
