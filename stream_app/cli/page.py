"""Where tables are printed."""

import os
import sys

from rich.console import Console

PIPED_COLUMNS = 200


def page() -> Console:
    """Standard output; into a pipe or a file so wide that no table is cut, unless COLUMNS says."""
    narrow = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if narrow else PIPED_COLUMNS)
