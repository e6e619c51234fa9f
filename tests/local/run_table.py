"""A runner over a table of stand-ins: `run_table.py HOME TABLE`, TABLE as JSON.

Each row has the fields of Process, with `args` of the stand-in for `argv`, and a file in HOME that
says `sick` while it is there; the row "postgres" or "nats" with a `port` is the real one.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from deploy.local import nats, postgres
from deploy.local.errors import StartError
from deploy.local.home import opened, passwords
from deploy.local.ports import free_port
from deploy.local.process import Process
from deploy.local.supervisor import supervise

STAND_IN = Path(__file__).with_name("stand_in.py")


def process(home: Path, row: dict[str, Any]) -> Process:
    if row["name"] == "postgres":
        return postgres.process(home, row["port"], passwords(home)["postgres"], fast=True)
    if row["name"] == "nats":
        return nats.process(home, row["port"], free_port())
    if "sick" in row:
        sign = home / row.pop("sick")
        row["sick"] = lambda _http: _there(sign)
    if "args" in row:
        args = map(str, row.pop("args"))
        row["argv"] = [sys.executable, str(STAND_IN), "--tag", str(home), *args]
    return Process(env=dict(os.environ), cwd=home, **row)


async def _there(sign: Path) -> bool:
    return await asyncio.to_thread(sign.exists)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    home = Path(sys.argv[1])
    try:
        with opened(home):
            table = [process(home, row) for row in json.loads(sys.argv[2])]
            asyncio.run(supervise(table, home / "logs", lambda: say("all up"), say))
    except StartError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
