"""new plugin: a package of one's own with a model, its entry point and its test, ready to be installed and trained."""

import keyword
import re
from pathlib import Path

from py4cast.atomic import check_name, write_text
from py4cast.errors import SettingsError
from py4cast.models import registry as models
from py4cast.version import __version__

__all__ = ["new_plugin"]

_FILES = {
    "pyproject.toml": """[build-system]
requires = ["setuptools>=68"]
build-backend = "setuptools.build_meta"

[project]
name = "{project}"
version = "0.1.0"
description = "A model for py4cast"
requires-python = ">=3.11"
dependencies = ["py4cast>={version}"]

[project.entry-points."py4cast.models"]
{name} = "{package}.model:{kind}"

[tool.setuptools]
packages = ["{package}"]
""",
    "{package}/__init__.py": '"""A model for py4cast."""\n',
    "{package}/model.py": '''"""{kind}: the network that `py4cast train --model {name}` trains."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from py4cast.models import GridModel
from py4cast.settings import Settings, setting

__all__ = ["{kind}", "{kind}Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class {kind}Settings(Settings):
    """Settings of {kind}."""

    width: int = setting(32, "features inside the network")
    num_layers: int = setting(3, "layers of convolution")

    def __post_init__(self) -> None:
        if self.width < 1 or self.num_layers < 1:
            raise ValueError("width and num_layers must be at least 1")


class {kind}(GridModel):
    """Creates a network from `(batch, lat, lon, features)` to the same: a few layers of convolution.

    Args:
        num_input_features: past states, fixed fields and forcings.
        num_output_features: what the strategy makes the next state of.
        settings: of the network.
    """

    settings_kls = {kind}Settings
    onnx_supported = True

    def __init__(self, num_input_features: int, num_output_features: int, settings: {kind}Settings) -> None:
        super().__init__()
        widths = [num_input_features, *[settings.width] * settings.num_layers]
        layers: list[Any] = []
        for before, after in zip(widths, widths[1:], strict=False):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.GELU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(settings.width, num_output_features, 1))

    def forward(self, x: Tensor) -> Tensor:
        image: Tensor = self.layers(x.permute(0, 3, 1, 2))
        return image.permute(0, 2, 3, 1)
''',
    "tests/test_model.py": '''"""What py4cast promises of every model: shapes, gradients, settings, export."""

from py4cast.testing import check_model


def test_it_keeps_the_contract() -> None:
    check_model("{name}")
''',
    "config/{name}.json": """{{
  "width": 32,
  "num_layers": 3
}}
""",
    "README.md": """# {project}

A model for [py4cast](https://github.com/meteofrance/py4cast).

```sh
pip install -e .
python -m pytest
py4cast plugins
py4cast train --model {name} --model_conf config/{name}.json --dev_mode
```

`{package}/model.py` holds the network; its settings are shown to users by their help. doc/extending.md of py4cast tells of all other
kinds that a package may add: strategies, datasets, losses, metrics, observers, readers, writers.
""",
}


def new_plugin(name: str, folder: Path) -> list[Path]:
    """Writes a package, and returns its files.

    Args:
        name: of the model, as users will give it: small letters, digits and `_`.
        folder: where the package's folder comes to lie.

    Raises:
        SettingsError: a name that is none, or taken; a folder that is there.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise SettingsError(f"name {name!r}: expected small letters, digits and _, such as my_net")
    if name in models.names():
        raise SettingsError(f"name {name!r}: there is a model of this name; choose another")
    root = folder / check_name(f"py4cast-{name.replace('_', '-')}", "name")
    if root.exists():
        raise SettingsError(f"{root}: exists; choose another name or --output")
    words = {
        "name": name, "package": f"{name}_model", "project": root.name, "version": __version__,
        "kind": "".join(part.capitalize() for part in name.split("_")),
    }  # fmt: skip
    paths = []
    for path, text in _FILES.items():
        target = root.joinpath(*(check_name(part, "name") for part in path.format(**words).split("/")))
        target.parent.mkdir(parents=True, exist_ok=True)
        write_text(target, text.format(**words))
        paths.append(target)
    return paths
