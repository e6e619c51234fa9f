"""A small program in place of a service: `stand_in.py [--port N] [--exit CODE] ...`."""

import argparse
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    """Answers every GET with its process id."""

    def do_GET(self) -> None:
        body = str(os.getpid()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Nothing: the log belongs to what the tests look for."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tag", help="any text; the tests find the process by it")
    parser.add_argument("--port", type=int, help="answer HTTP here")
    parser.add_argument("--exit", type=int, help="end at once with this code")
    parser.add_argument("--needs", help="fail unless this file exists")
    parser.add_argument("--makes", help="make this file")
    parser.add_argument("--stubborn", action="store_true", help="ignore SIGTERM")
    parser.add_argument("--parent", action="store_true", help="have a child")
    args = parser.parse_args()
    sys.stdout.write("stand-in says hello\n")
    sys.stdout.flush()
    if args.needs and not Path(args.needs).exists():
        sys.exit(f"{args.needs} is missing")
    if args.makes:
        Path(args.makes).touch(exist_ok=False)
    if args.exit is not None:
        sys.exit(args.exit)
    if args.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if args.parent:
        subprocess.Popen([sys.executable, __file__, "--tag", args.tag])  # noqa: S603 - itself
    if args.port:
        HTTPServer(("127.0.0.1", args.port), Handler).serve_forever()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
