"""What the server of `tests.command` has loaded before it forks: py4cast, and the heavy packages of its verbs."""

import gc
from importlib import import_module

for _name in (
    "py4cast.workflows.train.run", "py4cast.workflows.verify.split", "py4cast.workflows.export.run", "py4cast.observers",
    "xarray", "pint", "distributed", "torch.utils.tensorboard", "onnxruntime", "onnxscript", "torch._dynamo",
    "torch._functorch.aot_autograd", "torch.onnx._internal.exporter._core",
):  # fmt: skip
    import_module(_name)
# pages that the collector does not touch stay shared with the forked processes
gc.freeze()
