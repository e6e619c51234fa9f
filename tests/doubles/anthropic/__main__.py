"""The double as a process: it prints where it is, and answers until it is stopped."""

import argparse
import sys
from pathlib import Path

import uvicorn

from tests.doubles.anthropic import market
from tests.doubles.anthropic.app import KEY, Double
from tests.doubles.anthropic.replies import read_script


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.doubles.anthropic", description=__doc__)
    parser.add_argument("--port", type=int, default=8020)
    parser.add_argument("--key", default=KEY, help="the API key that it accepts (%(default)s)")
    parser.add_argument(
        "--script", type=Path, help="a JSON file of replies; without it, one that knows the market"
    )
    options = parser.parse_args()
    script = read_script(options.script) if options.script else market.script
    url = f"http://127.0.0.1:{options.port}"
    sys.stdout.write(f"ANTHROPIC_BASE_URL={url} ANTHROPIC_API_KEY={options.key}\n")
    sys.stdout.flush()
    app = Double(script, options.key).app()
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning", ws="none")


if __name__ == "__main__":
    main()
