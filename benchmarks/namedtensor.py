"""Overhead of NamedTensor per operation against the bare torch call on the same tensor.

python benchmarks/namedtensor.py [rounds]
"""

import statistics
import sys
import timeit

import torch

from py4cast.namedtensor import NamedTensor

SHAPE = (2, 2, 64, 64, 20)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    torch.set_num_threads(1)
    names = ["batch", "timestep", "lat", "lon", "features"]
    features = [f"f{i}" for i in range(SHAPE[-1])]
    x = torch.randn(SHAPE)
    nt = NamedTensor(x, names, features)
    other = NamedTensor(x, names, [f"g{i}" for i in range(SHAPE[-1])])
    cases = {
        "construct": (lambda: NamedTensor(x, names, features), lambda: x.view_as(x)),
        "select one step": (lambda: nt.select(timestep=-1), lambda: x.select(1, -1)),
        "slice": (lambda: nt.isel(lat=slice(0, 32)), lambda: x[:, :, 0:32]),
        "one feature": (lambda: nt["f7"], lambda: x.narrow(4, 7, 1)),
        "flatten": (lambda: nt.flatten("ngrid", "lat", "lon"), lambda: x.flatten(2, 3)),
        "concat": (lambda: nt | other, lambda: torch.cat([x, x], -1)),
        "clone": (lambda: nt.clone(), lambda: x.clone()),
    }
    print(f"{'operation':<16} {'named':>10} {'bare':>10} {'overhead':>10}   (median of {rounds} rounds, us)")
    for name, (named, bare) in cases.items():
        number = 300 if name in ("concat", "clone") else 3000
        pairs = []
        for _ in range(rounds):
            pairs.append([timeit.timeit(f, number=number) / number * 1e6 for f in (named, bare)])
        named_us, bare_us = (statistics.median(p[i] for p in pairs) for i in (0, 1))
        ratio = statistics.median(p[0] / p[1] for p in pairs)
        print(f"{name:<16} {named_us:>10.2f} {bare_us:>10.2f} {named_us - bare_us:>+10.2f}   ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
