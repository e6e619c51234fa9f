"""Makes up the passwords of the stack in containers: `make secrets` writes what .env lacks.

docker-compose.yml knows no password: it takes each from .env, and says so when one is missing.
Needs nothing but Python. What .env has already stays as it is. `make up` reads .env too: what it
made up for itself and has kept secrets with since is taken over, or it could read none of them.
"""

import json
import os
import re
import secrets
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
KEYS = ("ID_SECRET", "CALL_SIGNING_KEY", "CREDENTIALS_KEY", "WEBHOOK_KEY")
"""What `make up` takes from .env before its own, and has to stay the same."""
WANTED = re.compile(r"\$\{([A-Z0-9_]+):\?make secrets\}")


def wanted(compose: str) -> list[str]:
    """The variables that a compose file cannot do without, in its order."""
    return list(dict.fromkeys(WANTED.findall(compose)))


def missing(names: list[str], env: str) -> list[str]:
    """Those that an .env file does not set."""
    kept = dict(re.findall(r"^\s*(?:export\s+)?([A-Z0-9_]+)\s*=\s*(\S*)", env, re.MULTILINE))
    return [name for name in names if not kept.get(name)]


def kept_by_make_up(home: Path) -> dict[str, str]:
    """The keys of the local stack, by their variables; none where there is no such stack."""
    path = home / "secrets.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    return {name: kept[name.lower()] for name in KEYS if name.lower() in kept}


def main(folder: Path = PROJECT) -> int:
    """Add what is missing to .env, which only its owner can read from then on."""
    path = folder / ".env"
    env = path.read_text() if path.exists() else ""
    added = missing(wanted((folder / "docker-compose.yml").read_text()), env)
    if added:
        local = kept_by_make_up(folder / os.environ.get("BAZAAR_HOME", ".bazaar"))
        lines = "".join(f"{one}={local.get(one) or secrets.token_urlsafe(24)}\n" for one in added)
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
