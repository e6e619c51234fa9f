"""Makes up the passwords of the stack in containers: `make secrets` writes what .env lacks.

docker-compose.yml knows no password: it takes each from .env, and says so when one is missing.
Needs nothing but Python. What .env has already stays as it is.
"""

import os
import re
import secrets
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
WANTED = re.compile(r"\$\{([A-Z0-9_]+):\?make secrets\}")


def wanted(compose: str) -> list[str]:
    """The variables that a compose file cannot do without, in its order."""
    return list(dict.fromkeys(WANTED.findall(compose)))


def missing(names: list[str], env: str) -> list[str]:
    """Those that an .env file does not set."""
    kept = dict(re.findall(r"^\s*(?:export\s+)?([A-Z0-9_]+)\s*=\s*(\S*)", env, re.MULTILINE))
    return [name for name in names if not kept.get(name)]


def main(folder: Path = PROJECT) -> int:
    """Add what is missing to .env, which only its owner can read from then on."""
    path = folder / ".env"
    env = path.read_text() if path.exists() else ""
    added = missing(wanted((folder / "docker-compose.yml").read_text()), env)
    if added:
        lines = "".join(f"{name}={secrets.token_urlsafe(24)}\n" for name in added)
        text = f"{env.rstrip()}\n{lines}" if env.strip() else lines
        draft = path.with_name(".env.new")
        draft.unlink(missing_ok=True)
        with open(draft, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(text)
        draft.replace(path)
    sys.stdout.write(f"{len(added)} passwords made up, in {path.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
