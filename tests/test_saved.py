import copy
import json
import os
import random
import resource
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save, save_file

from py4cast.errors import DataError, SettingsError
from py4cast.forecaster import Forecaster
from py4cast.saved import _digest, _header_digest, file_of, read_info, write_saved
from py4cast.steppers import open_stepper
from py4cast.testing import make_batch, make_info
from tests.command import start

GOLDEN = Path(__file__).parent / "golden"
INFO = make_info((6, 7))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("small") / "f.safetensors"
    Forecaster.build(INFO, "halfunet", "scaled_ar", 1, {"num_filters": 2}).eval().save(path, seed=3)
    return path


def header_of(path: Path) -> dict[str, Any]:
    return read_info(path)[0]


def signed(header: dict[str, Any], tensors: dict[str, torch.Tensor]) -> bytes:
    """A file whose checksums are right, as one who means harm makes it."""
    header = {**header, "sha256": _digest(tensors)}
    header["header_sha256"] = _header_digest(header)
    return save(tensors, metadata={"py4cast": json.dumps(header)})


def outcome(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    try:
        Forecaster.load(path)
    except (DataError, SettingsError) as error:
        assert len(str(error).splitlines()) == 1, error
        return type(error).__name__
    return "loaded"


def broken_bytes(data: bytes, rng: random.Random) -> bytes:
    """Flipped, cut, lengthened, doubled, swapped or random bytes."""
    kind = rng.randrange(6)
    at = rng.randrange(len(data))
    if kind == 0:
        changed = bytearray(data)
        for _ in range(rng.randrange(1, 4)):
            changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        return bytes(changed)
    if kind == 1:
        return data[:at]
    if kind == 2:
        return data[:at] + rng.randbytes(rng.randrange(1, 64)) + data[at:]
    if kind == 3:
        return rng.randrange(2**64).to_bytes(8, "little") + data[8:]
    if kind == 4:
        return data[:at] + data[at // 2 :]
    return rng.randbytes(rng.randrange(2000))


def places(document: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the values of a JSON document are."""
    yield at
    if isinstance(document, dict | list):
        for key in document if isinstance(document, dict) else range(len(document)):
            yield from places(document[key], (*at, key))


ODD = [
    None, True, -1, 0, 10**9, 10**30, 1.5, -1e308, "", "x" * 1000, "../../etc/passwd", "__import__('os').system('true')",
    [], {}, [[]], {"a": {}}, "numpy:array", "os:system", [1] * 50,
]  # fmt: skip


# PY4CAST_DAMAGED_FILES=10000 for the whole campaign, 40 s
COUNT = int(os.environ.get("PY4CAST_DAMAGED_FILES", "2000")) // 100


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_damaged_files_are_refused_by_name(small: Path, tmp_path: Path) -> None:
    rng, data = random.Random(5), small.read_bytes()
    path = tmp_path / "f.safetensors"
    found: Counter[str] = Counter(outcome(path, broken_bytes(data, rng)) for _ in range(90 * COUNT))
    assert found.pop("loaded", 0) == 0 and found["DataError"] == 90 * COUNT, found
    header, tensors = header_of(small), load_file(small)
    everywhere = [p for p in places({k: v for k, v in header.items() if k != "lineage"}) if p]
    for _ in range(7 * COUNT):
        changed = copy.deepcopy(header)
        place = rng.choice(everywhere)
        inside: Any = changed
        for key in place[:-1]:
            inside = inside[key]
        if rng.random() < 0.2:
            del inside[place[-1]]
        else:
            inside[place[-1]] = rng.choice(ODD)
        found[outcome(path, signed(changed, tensors))] += 1
    for _ in range(3 * COUNT):
        others = dict(tensors)
        name = rng.choice(list(others))
        shape = [rng.randrange(0, 9) for _ in range(rng.randrange(4))]
        kind = rng.choice([torch.float32, torch.float64, torch.int8, torch.bool, torch.bfloat16])
        others[name] = torch.zeros(shape, dtype=kind)
        if rng.random() < 0.3:
            del others[name]
        found[outcome(path, signed(header, others))] += 1
    assert sum(found.values()) == 100 * COUNT and set(found) <= {"DataError", "SettingsError", "loaded"}
    assert found["loaded"] < 5 * COUNT, "odd names and bounds that change nothing"


def _write_on_a_full_disk(path: str) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    write_saved(path, {}, {"w": torch.ones(10**6)})


def test_a_full_disk_is_told_and_keeps_the_file_before(tmp_path: Path) -> None:
    path = tmp_path / "f.safetensors"
    path.write_bytes(b"before")
    start(_write_on_a_full_disk, str(path), out=tmp_path / "out", err=tmp_path / "err").join(120)
    assert "SpaceError: disk full while writing" in (tmp_path / "err").read_text()
    assert path.read_bytes() == b"before" and [p.name for p in tmp_path.glob(".*")] == []


def test_a_network_that_its_weights_cannot_fill_is_not_built(small: Path, tmp_path: Path) -> None:
    header = header_of(small)
    header["model_settings"]["num_filters"] = 20_000
    path = tmp_path / "bomb.safetensors"
    path.write_bytes(signed(header, load_file(small)))
    with pytest.raises(DataError, match="settings ask for a network of more than the .* weights that it holds"):
        Forecaster.load(path)


def test_a_flipped_digit_of_the_header_shows(small: Path, tmp_path: Path) -> None:
    header = header_of(small)
    name = next(iter(header["info"]["stats"]))
    header["info"]["stats"][name]["mean"] += 1e-3
    path = tmp_path / "f.safetensors"
    save_file(load_file(small), path, metadata={"py4cast": json.dumps(header)})
    with pytest.raises(DataError, match="damaged: its header fails its checksum"):
        Forecaster.load(path)


def test_damaged_exports_are_refused(tmp_path: Path) -> None:
    rng, data = random.Random(7), (GOLDEN / "step.onnx").read_bytes()
    found: Counter[str] = Counter()
    for _ in range(300):
        path = tmp_path / "s.onnx"
        path.write_bytes(broken_bytes(data, rng))
        try:
            open_stepper(path)
            found["opened"] += 1
        except (DataError, SettingsError) as error:
            assert len(str(error).splitlines()) == 1, error
            found["refused"] += 1
    assert found == {"refused": 300}, found


def test_what_was_written_first_is_read_for_ever() -> None:
    """The golden files were written once, by the first version of their formats; never make them anew."""
    held = np.load(GOLDEN / "forecast.npz")
    own = Forecaster.load(GOLDEN / "forecaster.safetensors")
    assert own.names == {"model": "halfunet", "strategy": "scaled_ar"} and own.lineage["seed"] == 3
    batch = make_batch(own.info, 2, 2, 3)
    np.testing.assert_allclose(batch.inputs.tensor.numpy(), held["inputs"], rtol=1e-6)
    forecast = own.forecast(batch, 3).tensor.numpy()
    np.testing.assert_allclose(forecast, held["forecast"], rtol=1e-4, atol=1e-4)
    from py4cast.steppers import StepGiven

    truth = batch.outputs[own.info.prognostic].tensor.numpy()
    given = [StepGiven(batch.forcing.tensor[:, i].numpy(), truth[:, i]) for i in range(3)]
    found = np.stack(list(open_stepper(GOLDEN / "step.onnx").rollout(held["inputs"], given)), 1)
    count = len(own.info.prognostic)
    np.testing.assert_allclose(found[..., :count], held["forecast"][..., :count], rtol=1e-4, atol=1e-3)


def test_the_description_is_read_without_the_weights(small: Path) -> None:
    header, arrays, count = read_info(small)
    assert header["model"] == "halfunet" and header["lineage"]["seed"] == 3
    np.testing.assert_allclose(arrays["grid.latitude"], INFO.grid.latitude)
    own = Forecaster.load(small)
    assert count == sum(v.numel() for v in own.network.model.state_dict().values())


def test_the_folder_of_a_run_stands_for_its_forecaster(tmp_path: Path) -> None:
    file = tmp_path / "forecaster.safetensors"
    with pytest.raises(
        DataError,
        match="a folder without a forecaster.safetensors; expected a saved Forecaster, or the folder of its run",
    ):
        file_of(tmp_path)
    file.write_bytes(b"")
    assert file_of(tmp_path) == file and file_of(file) == file
