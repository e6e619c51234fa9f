"""`pip install .` installs all that the code reads."""

import tomllib
from fnmatch import fnmatch

from chassis.release import PACKAGES
from deploy.local.settings import PROJECT

OF_NO_WHEEL = {"deploy/Dockerfile", "deploy/bazaar"}


def test_a_wheel_has_every_file_that_lies_beside_the_code() -> None:
    tools = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["tool"]
    names = tools["setuptools"]["package-data"]["*"]
    apart = [
        f"{one.replace('.', '/')}" for one in tools["setuptools"]["packages"]["find"]["exclude"]
    ]
    left_out = [
        path.relative_to(PROJECT).as_posix()
        for package in tools["importlinter"]["root_packages"]
        for path in (PROJECT / package).rglob("*")
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
        if not any(fnmatch(path.name, name) for name in names)
    ]
    assert [
        path
        for path in left_out
        if path not in OF_NO_WHEEL and not any(fnmatch(path, folder) for folder in apart)
    ] == []


def test_the_packages_of_a_release_are_those_whose_imports_are_watched() -> None:
    tools = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["tool"]
    assert set(tools["importlinter"]["root_packages"]) == PACKAGES
