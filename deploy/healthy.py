"""A container's own question whether it is well: exit code 0 if so (`python healthy.py`).

It stands in every image by itself, so it needs nothing but Python.
"""

import http.client
import os
import sys

TIMEOUT_S = 10
PATHS = ("/ready", "/health")
"""A service says whether it can work; an agent, which knows no such thing, whether it lives."""


def main() -> int:
    """Ask on PORT, or on HEALTH_PORT where that is another."""
    port = int(os.environ.get("HEALTH_PORT") or os.environ["PORT"])
    for path in PATHS:
        asking = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        try:
            asking.request("GET", path)
            answer = asking.getresponse()
            said = answer.read(2_000).decode(errors="replace")
        except OSError as error:
            said, status = repr(error), 0
        else:
            status = answer.status
        finally:
            asking.close()
        if status != http.client.NOT_FOUND:
            sys.stdout.write("".join(mark for mark in said if " " <= mark <= "~"))
            return 0 if status == http.client.OK else 1
    return 1


if __name__ == "__main__":
    sys.exit(main())
