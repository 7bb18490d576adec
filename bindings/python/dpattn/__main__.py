"""`python -m dpattn` is the console script."""

import sys

from ._cli import main

sys.exit(main())
