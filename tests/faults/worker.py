"""``python -m tests.faults.worker``: the real ``bess worker`` with a failpoint in it."""

import os
import sys

from stream_app.cli import main
from tests.faults.failpoints import arm
from tests.faults.folds import note

if __name__ == "__main__":
    note(os.environ)
    arm(os.environ)
    sys.argv = ["bess", "worker"]
    main()
