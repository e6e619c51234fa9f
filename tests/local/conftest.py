"""A home for each test: outside pytest's own folders, which no other user may enter."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="bazaar-test-")).resolve()
    yield folder
    for process in psutil.process_iter():
        try:
            if str(folder) in " ".join(process.cmdline()):
                process.kill()  # A failed test left it.
        except psutil.Error:
            continue
    shutil.rmtree(folder)
