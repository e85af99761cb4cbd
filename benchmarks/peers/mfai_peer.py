"""The networks of the PyPI package `mfai` 9, run installed in a folder of their own (`make peers`).

    PYTHONPATH=.peers/mfai python benchmarks/peers/mfai_peer.py --model unet
        one line on standard input is one forward and backward pass, answered by one line of JSON

torchvision, which some of its modules import and its networks here do not use, is replaced by an empty module.
"""

import argparse
import importlib
import importlib.machinery
import importlib.util
import json
import sys
import time
import types
import warnings

warnings.filterwarnings("ignore")


class _Empty(types.ModuleType):
    def __getattr__(self, key: str) -> object:
        if key.startswith("__"):
            raise AttributeError(key)
        return type(key, (), {"__getattr__": lambda self, name: None})


if importlib.util.find_spec("torchvision") is None:
    for name in ("torchvision", "torchvision.models", "torchvision.models.resnet", "torchvision.transforms"):
        module = _Empty(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        module.__path__ = []
        sys.modules[name] = module

import torch
from peak import forget_peak, memory

MODELS = {"halfunet": ("half_unet", "HalfUNet"), "unet": ("unet", "UNet"), "segformer": ("segformer", "Segformer")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="halfunet")
    for key, default in {"size": 128, "inputs": 20, "outputs": 20, "batch": 2, "threads": 1}.items():
        parser.add_argument(f"--{key}", type=int, default=default)
    a = parser.parse_args()
    answers, sys.stdout = sys.stdout, sys.stderr
    torch.set_num_threads(a.threads)
    place, name = MODELS[a.model]
    kind = getattr(importlib.import_module(f"mfai.pytorch.models.{place}"), name)
    base = memory("VmRSS")
    network = kind(a.inputs, a.outputs, input_shape=(a.size, a.size), settings=kind.settings_kls())
    x = torch.randn(a.batch, a.inputs, a.size, a.size)
    print(json.dumps({"parameters": sum(p.numel() for p in network.parameters())}), file=answers, flush=True)
    for _ in sys.stdin:
        network.zero_grad()
        forget_peak()
        began = time.process_time()
        network(x).square().mean().backward()
        print(
            json.dumps({"cpu_s": time.process_time() - began, "peak_mb": memory("VmHWM") - base}),
            file=answers,
            flush=True,
        )


if __name__ == "__main__":
    main()
