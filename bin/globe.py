"""A small atmosphere round the globe as GRIB 2 on an octahedral grid, for config/datasets/globe_o32.json."""

import argparse
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

from py4cast.datasets.globe import write_globe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the files go, one per instant: YYYYMMDDTHH.grib2")
    parser.add_argument("--n", type=int, default=32, help="of the octahedral grid O<n> (default: 32)")
    parser.add_argument("--num_times", type=int, default=120, help="instants, six hours apart (default: 120)")
    parser.add_argument("--seed", type=int, default=0, help="what the waves are drawn from (default: 0)")
    a = parser.parse_args()
    if a.n < 4 or a.num_times < 1:
        parser.error("--n expects at least 4, --num_times at least 1")
    grid = write_globe(a.folder, a.n, a.num_times, a.seed)
    print(f"{a.num_times} instants on {grid.describe()} in {a.folder}")


if __name__ == "__main__":
    main()
