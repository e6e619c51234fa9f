"""A copy of all data of a local stack, and the way back: BAZAAR_HOME as one archive."""

import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local import home
from deploy.local.errors import StartError
from deploy.local.postgres import clear_leftovers

LEFT_OUT = {"lock", "logs"}
MADE_OF = {"postgres", "nats", "secrets.json"}
"""What an archive of a stack has; one that lacks any of it is of something else."""


def keep(folder: Path, archive: Path) -> int:
    """Write `folder`, which nobody may use meanwhile, to `archive`; the bytes that it takes.

    Whole or not at all, and for its owner alone: the passwords are in it.

    Raises:
        StartError: the stack runs, there is none, or the archive cannot be written.
    """
    home.finish_restore(folder)
    if not (folder / "secrets.json").exists():
        raise StartError(f"There is no stack in {folder} yet.")
    draft = archive.with_name(f"{archive.name}.new")
    try:
        with home.opened(folder):
            clear_leftovers(folder / "postgres")
            with (
                open(draft, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file,
                tarfile.open(fileobj=file, mode="w:gz") as tar,
            ):
                for part in sorted(folder.iterdir()):
                    if part.name not in LEFT_OUT:
                        tar.add(part, arcname=part.name)
                tar.close()
                file.flush()
                os.fsync(file.fileno())
            draft.replace(archive)
    except OSError as error:
        raise StartError(f"{archive} cannot be written: {error}") from None
    finally:
        draft.unlink(missing_ok=True)
    return archive.stat().st_size


def bring_back(archive: Path, folder: Path) -> Path | None:
    """Have `folder` be what `archive` holds; where what was there before is now.

    Raises:
        StartError: the stack runs, or the archive is none of a stack.
    """
    home.finish_restore(folder)
    draft = home.draft_of(folder)
    if draft.exists():
        raise StartError(f"{draft} is left of an earlier try; remove it first.")
    before = None
    with home.opened(folder):
        try:
            with tarfile.open(archive) as tar:
                names = {Path(name).parts[0] for name in tar.getnames() if Path(name).parts}
                if not names >= MADE_OF:
                    raise StartError(f"{archive} holds no stack: {MADE_OF - names} is missing.")
                draft.mkdir(mode=0o700, parents=True)
                with _removed_unless_whole(draft):
                    tar.extractall(draft, filter="tar", numeric_owner=True)
        except (tarfile.TarError, EOFError):
            raise StartError(f"{archive} is no whole archive of `bazaar backup`.") from None
        except OSError as error:
            raise StartError(f"{archive} cannot be read: {error.strerror or error}") from None
        if (folder / "secrets.json").exists():
            before = _free(folder.with_name(f"{folder.name}.before"))
            folder.rename(before)
        else:  # The lock, and logs of a start that came to nothing.
            shutil.rmtree(folder)
        draft.rename(folder)
    return before


@contextmanager
def _removed_unless_whole(draft: Path) -> Iterator[None]:
    """Leave nothing of what ended halfway, by an error or by Ctrl-C."""
    try:
        yield
    except BaseException:
        shutil.rmtree(draft)
        raise


def _free(wanted: Path) -> Path:
    """A name that nothing has yet."""
    number, found = 1, wanted
    while found.exists():
        number, found = number + 1, wanted.with_name(f"{wanted.name}.{number}")
    return found
