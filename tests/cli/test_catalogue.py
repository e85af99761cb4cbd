import pytest

from tests.cli.parsing import replaced, run


def test_the_catalogue_is_asked_and_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    catalogue = replaced(monkeypatch, "py4cast.workflows.catalogue.view.catalogue", ["one", "two"])
    run("catalogue", "list")
    assert catalogue.words == ("list", None, None, None, ".") and capsys.readouterr().out == "one\ntwo\n"
    run("catalogue", "fetch", "uk:3", "--output", "out.onnx", "--catalogue", "kept", "--kind", "step")
    assert catalogue.words == ("fetch", "uk:3", "kept", "step", "out.onnx")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["find"], "argument what: invalid choice: 'find'"),
        ([], "required: what"),
        (["list", "--kind", "model"], "argument --kind: invalid choice: 'model'"),
    ],
)
def test_words_that_are_none_of_its_own_end_with_status_two(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run("catalogue", *words)
    assert stopped.value.code == 2 and message in capsys.readouterr().err
