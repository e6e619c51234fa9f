"""`bazaar`, and `python -m cli`: the command line, however early somebody interrupts it."""

import sys


def main() -> int:
    """Run it; the exit code."""
    try:
        from cli.main import main as run

        return run()
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted.\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
