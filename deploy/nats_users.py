"""The accounts of the NATS server: `python -m deploy.nats_users` writes deploy/nats/users.conf.

The file names no password: the server takes each from its environment, NATS_TASK_PASSWORD and so
on. It reads such a value as it reads its file, so a value is best in double quotes.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from contracts.authorization import Permissions, Shared, of_user, shared
from contracts.users import BAZAAR, USERS, Account, account_of, variable

FILE = Path(__file__).with_name("nats") / "users.conf"
ANSWER_WITHIN = "3m"
"""How long a service may take to answer a request; the longest call waits for 120 s."""
STREAMS_ANSWER_WITHIN = "10s"
"""How long the server remembers where the answers of a stream go, which come at once."""
ACCOUNTS: tuple[Account, ...] = (BAZAAR, "GATEWAY", "LOOK")

_HEAD = (
    "# Who may do what, from contracts/permissions.py: written by `python -m deploy.nats_users`.\n"
)


def config() -> str:
    """The `accounts` block of the server's configuration."""
    return f"{_HEAD}accounts {{\n{''.join(_account(name) for name in ACCOUNTS)}}}\n"


def _account(name: Account) -> str:
    users = [user for user in USERS if account_of(user) == name]
    lines = [f"  {name} {{", *(["    jetstream: enabled"] if name == BAZAAR else [])]
    lines += ["    users: [", *(_user(user, of_user(user)) for user in users), "    ]"]
    if name == BAZAAR:
        lines += ["    exports: [", *_exports(shared()), "    ]"]
    else:
        mine = [one for one in shared() if one.account == name]
        lines += ["    imports: [", *map(_import, mine), "    ]"]
    return "\n".join([*lines, "  }\n"])


def _exports(all_: Iterable[Shared]) -> Iterator[str]:
    to: dict[tuple[str, str, bool], list[Account]] = {}
    for one in all_:
        to.setdefault((one.kind, one.subject, one.many), []).append(one.account)
    for (kind, subject, many), accounts in to.items():
        within = STREAMS_ANSWER_WITHIN if subject.startswith("$") else ANSWER_WITHIN
        answers = f', threshold: "{within}"' if kind == "service" else ""
        more = ", response_type: Stream" if many else ""
        yield (
            f"      {{ {kind}: {json.dumps(subject)}{answers}{more},"
            f" accounts: [{', '.join(accounts)}] }}"
        )


def _import(one: Shared) -> str:
    to = f", to: {json.dumps(one.called)}" if one.called else ""
    return (
        f"      {{ {one.kind}: {{ account: {BAZAAR}, subject: {json.dumps(one.subject)} }}{to} }}"
    )


def _user(name: str, may: Permissions) -> str:
    answers = f'        allow_responses: {{ max: 1, expires: "{ANSWER_WITHIN}" }}\n'
    return (
        f"      {{ user: {name}, password: ${variable(name)}, permissions {{\n"
        f"{_subjects('publish', may.publish)}"
        f"{_subjects('subscribe', may.subscribe)}"
        f"{answers if may.answers else ''}"
        "      } }"
    )


def _subjects(what: str, allowed: Iterable[str]) -> str:
    rows = "".join(f"          {json.dumps(one)}\n" for one in allowed)
    return f"        {what}: [\n{rows}        ]\n"


def main() -> int:
    """Write the file."""
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(config())
    sys.stdout.write(f"wrote {FILE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
