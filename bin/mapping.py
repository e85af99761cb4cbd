"""`py4cast mapping` from a clone; see --help."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

from py4cast.cli import main

if __name__ == "__main__":
    sys.exit(main(["mapping", *sys.argv[1:]]))
