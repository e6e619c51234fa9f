"""A module to be forked: says what it finds, then ends as it is told, or stays."""

import json
import os
import signal
import sys
from pathlib import Path

sys.stdout.write(
    json.dumps(
        {
            "argv": sys.argv[1:],
            "env": dict(os.environ),
            "cwd": str(Path.cwd()),
            "leads": os.getsid(0) == os.getpid(),
            "name": __name__,
        }
    )
)
if len(sys.argv) > 1:
    sys.exit(int(sys.argv[1]))
signal.pause()
