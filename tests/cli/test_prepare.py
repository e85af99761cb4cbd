from pathlib import Path
from types import SimpleNamespace

import pytest

from py4cast.errors import SettingsError
from tests.cli.parsing import replaced, run


def test_a_store_is_prepared_as_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare = replaced(monkeypatch, "py4cast.workflows.prepare.prepare", SimpleNamespace(path=Path("stores/uk")))
    run("prepare", "--dataset_conf", "d.json")
    assert prepare.words == ("gridded", "d.json", None, [], None, None, False)
    assert capsys.readouterr().out == "stores/uk\n"
    run(
        "prepare", "--dataset", "titan", "--output", "out", "--set", "dataset.root=/x", "--num_workers", "3", "--scheduler",
        "tcp://h:1", "--append",
    )  # fmt: skip
    assert prepare.words == ("titan", None, Path("out"), ["root=/x"], 3, "tcp://h:1", True)
    with pytest.raises(SettingsError, match=r"--set 'root=/x': expected dataset\.PLACE=VALUE"):
        run("prepare", "--set", "root=/x")
