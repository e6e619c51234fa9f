"""One purchase as the kit `hostile-facilitator` wants it: who makes it is told where to settle."""

import os
import sys
import urllib.parse
import urllib.request

WAIT_S = 25

if __name__ == "__main__":
    where = urllib.parse.urlencode({"facilitator": os.environ["FACILITATOR_URL"]})
    urllib.request.urlopen(f"{sys.argv[1]}?{where}", timeout=WAIT_S)  # noqa: S310  (our own page)
