"""What pytest does not say of tests that are wrong."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_what_a_folder_shares_ends_with_it() -> None:
    """In a folder that is no package, a fixture of scope "package" stays until the run is over.

    A service would go on beside the tests of other folders, and take their messages.
    """
    shares = re.compile(r'fixture\(scope="package"')
    folders = {
        path.parent for path in TESTS.rglob("*.py") if shares.search(path.read_text("utf-8"))
    }
    assert TESTS / "doors" in folders
    assert [folder.name for folder in folders if not (folder / "__init__.py").exists()] == []
