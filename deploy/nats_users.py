"""The users of the NATS server: `python -m deploy.nats_users` writes deploy/nats/users.conf.

The file names no password: the server takes each from its environment, NATS_TASK_PASSWORD and so
on. It reads such a value as it reads its file, so a value is best in double quotes.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from contracts import permissions
from contracts.permissions import Permissions

FILE = Path(__file__).with_name("nats") / "users.conf"
ANSWER_WITHIN = "3m"
"""How long a service may take to answer a request; the longest call waits for 100 s."""

_HEAD = (
    "# Who may do what, from contracts/permissions.py: written by `python -m deploy.nats_users`.\n"
)


def variable(user: str) -> str:
    """The environment variable that the server takes a user's password from."""
    return f"NATS_{user.upper()}_PASSWORD"


def config() -> str:
    """The `authorization` block of the server's configuration."""
    users = "\n".join(_user(user, permissions.of_user(user)) for user in permissions.USERS)
    return f"{_HEAD}authorization {{\n  users = [\n{users}\n  ]\n}}\n"


def _user(name: str, may: Permissions) -> str:
    answers = f'      allow_responses: {{ max: 1, expires: "{ANSWER_WITHIN}" }}\n'
    return (
        f"    {{ user: {name}, password: ${variable(name)}, permissions {{\n"
        f"{_subjects('publish', may.publish, may.publish_not)}"
        f"{_subjects('subscribe', may.subscribe, may.subscribe_not)}"
        f"{answers if may.answers else ''}"
        "    } }"
    )


def _subjects(what: str, allow: Iterable[str], deny: Iterable[str]) -> str:
    lists = {"allow": list(allow), "deny": list(deny)}
    rows = "".join(
        f"        {name}: [\n{''.join(f'          {json.dumps(one)}{chr(10)}' for one in subjects)}"
        "        ]\n"
        for name, subjects in lists.items()
        if subjects
    )
    return f"      {what} {{\n{rows}      }}\n"


def main() -> int:
    """Write the file."""
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(config())
    sys.stdout.write(f"wrote {FILE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
