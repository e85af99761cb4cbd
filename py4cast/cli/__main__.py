"""`python -m py4cast.cli VERB ...`."""

import sys

from py4cast.cli.main import main

sys.exit(main())
