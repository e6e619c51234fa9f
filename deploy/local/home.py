"""BAZAAR_HOME: the folder of a local run, its lock and its generated passwords."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.users import CONTEXTS, USERS
from deploy.local.errors import StartError

ID_SECRET = "id_secret"  # noqa: S105  (a name)
"""What the gateway keys derived ids with."""
SIGNING_KEY = "call_signing_key"
"""What the task service signs calls of agents with."""
WEBHOOK_KEY = "webhook_key"
"""What secrets of webhooks are encrypted with."""
CREDENTIALS_KEY = "credentials_key"
"""What it encrypts agents' credentials with."""
PASSWORDS = (
    *("postgres", *CONTEXTS),
    *(f"{context}_owner" for context in CONTEXTS),
    *(f"nats_{user}" for user in USERS),
    ID_SECRET,
    SIGNING_KEY,
    WEBHOOK_KEY,
    CREDENTIALS_KEY,
)


def draft_of(home: Path) -> Path:
    """Where a restore unpacks what then becomes the folder."""
    return home.with_name(f"{home.name}.new")


def finish_restore(home: Path) -> bool:
    """Whether a restore had died when the old folder was aside and the new one not in its place.

    It is then. The folder is there while an archive is unpacked, so without it the draft is whole.
    """
    if home.exists() or not draft_of(home).exists():
        return False
    draft_of(home).rename(home)
    return True


@contextmanager
def opened(home: Path) -> Iterator[None]:
    """Makes the folder if needed and holds it for this process alone.

    The system gives the lock back when the process ends, however it ends.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / "logs").mkdir(mode=0o700, exist_ok=True)
        lock = (home / "lock").open("a+")
    except OSError as error:
        raise StartError(f"BAZAAR_HOME {home} cannot be used: {error}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise StartError(
                f"AgentBazaar already runs from {home} (process {lock.read().strip()});"
                " stop it first, or set BAZAAR_HOME to another folder"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def passwords(home: Path) -> dict[str, str]:
    """The passwords by the database's role, and as `nats_<user>` by user of the bus; other secrets.

    Made up at the first start, the same ever after.
    """
    path = home / "secrets.json"
    kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    if missing := set(PASSWORDS) - set(kept):
        kept |= {name: secrets.token_urlsafe(24) for name in missing}
        write_private(path, json.dumps(kept, indent=2))
    return kept


def write_private(path: Path, text: str) -> None:
    """Writes a file, whole or not at all, that only its owner can read."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with open(draft, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text)
    draft.replace(path)
