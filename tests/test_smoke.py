import py4cast


def test_public_names_load() -> None:
    for name in py4cast.__all__:
        assert getattr(py4cast, name) is not None
