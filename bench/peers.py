"""What stands beside this checkout: an older release, DBOS, Express, each with its own packages.

All of it lies in one folder. What is there from an earlier run is used again.
"""

import shutil
import subprocess
import venv
from pathlib import Path

from bench.releases import Release, checkout, drop

OLD = "9a97945"
"""Release 0.2.0."""
FLOW = ("dbos>=3.4,<4", "fastapi", "uvicorn", "uvloop", "httptools", "httpx", "asyncpg")
MOCK = "express@4"


class Peers:
    """The folder."""

    def __init__(self, folder: Path) -> None:
        """Of this folder, which exists."""
        self._folder = folder

    def old(self) -> Release:
        """Release 0.2.0 with its own packages."""
        folder = self._folder / "old"
        if folder.exists():
            return Release("old", folder, str(folder / ".venv/bin/python"))
        _say("release 0.2.0 and what its lock names")
        return checkout(OLD, folder, own_environment=True)

    def dbos(self) -> str:
        """A Python that has DBOS."""
        folder = self._folder / "dbos"
        python = str(folder / "bin/python")
        if not folder.exists():
            _say("DBOS")
            venv.create(folder, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", *FLOW], check=True)
        return python

    def express(self) -> Path | None:
        """A folder that has Express; None without node and npm."""
        folder = self._folder / "express"
        npm = shutil.which("npm")
        if npm is None or shutil.which("node") is None:
            print("Express is left out: there is no node and npm here.")
            return None
        if not folder.exists():
            _say("Express")
            folder.mkdir()
            subprocess.run([npm, "install", "--silent", MOCK], cwd=folder, check=True)
        return folder

    def drop(self) -> None:
        """Take the older release out of git's list of checkouts, before the folder goes."""
        if (self._folder / "old").exists():
            drop(Release("old", self._folder / "old", ""))


def _say(what: str) -> None:
    print(f"installing {what}", flush=True)
