"""The stack on this machine: start it, keep a copy of its data, look what it needs."""

from pathlib import Path
from typing import Annotated

import typer

from cli import config
from cli.errors import Code
from cli.output import note, show
from deploy.local.settings import load

Archive = Annotated[Path, typer.Argument(help="A .tar.gz; the passwords are in it.")]


def up() -> None:
    """Start everything on this machine; Ctrl-C stops it."""
    from deploy.local import __main__ as local

    local.up(load())


def backup(archive: Archive) -> None:
    """Write all data of the stopped stack to an archive."""
    from deploy.local import keeping

    size = keeping.keep(load().bazaar_home, archive)
    note(f"{archive}: {size / 1024**2:.1f} MiB")


def restore(archive: Archive) -> None:
    """Have the stopped stack be as an archive has it; what was there before is kept beside it."""
    from deploy.local import keeping

    before = keeping.bring_back(archive, load().bazaar_home)
    note(f"{load().bazaar_home} is as {archive} has it.")
    if before is not None:
        note(f"What was there before is in {before}.")


def doctor(context: typer.Context) -> int:
    """Look at what the stack needs: Python, packages, folder, disk, memory, ports, clock."""
    from deploy.local import doctor as looking

    found = [*looking.look(load())]
    well = all(right for _, right, _ in found)
    rows = [(name, "ok" if right else "wrong", words) for name, right, words in found]
    said = {
        "ok": well,
        "found": [dict(zip(("what", "state", "found"), row, strict=True)) for row in rows],
    }
    show(config.of(context), said, ("what", "", "found"), rows)
    return int(Code.DONE if well else Code.FAILED)
