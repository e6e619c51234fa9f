"""The committed API documents are those of the code."""

import json
from functools import cache

import pytest

from contracts.catalogue import EVENTS
from contracts.permissions import ORDERS
from tests.docs.specs import FOLDER, documents

NAMES = sorted(path.name for path in FOLDER.iterdir())


@cache
def found() -> dict[str, str]:
    """Text by name."""
    return dict(documents())


@pytest.mark.parametrize("name", NAMES)
def test_a_committed_document_is_that_of_the_code(name: str) -> None:
    committed = (FOLDER / name).read_text()
    assert committed == found().get(name), f"{name} is not what the code says: run `make specs`"


def test_no_document_is_missing() -> None:
    assert set(NAMES) == set(found())


def test_they_are_made_the_same_every_time() -> None:
    assert dict(documents()) == found()


@pytest.mark.parametrize("name", [name for name in NAMES if "asyncapi" in name])
def test_a_service_document_names_what_it_receives_and_sends(name: str) -> None:
    document, context = json.loads(found()[name]), name.split(".", maxsplit=1)[0]
    assert document["asyncapi"].startswith("3.")
    subjects = {channel["address"].split(":")[0] for channel in document["channels"].values()}
    assert f"bazaar.rpc.{context}.ping" in subjects
    sent = {event.type for event in EVENTS[context]} | {one.type for one in ORDERS[context]}
    told = {
        document["channels"][name.removesuffix("Send")]["address"]
        for name, operation in document["operations"].items()
        if operation["action"] == "send"
    }
    assert {".".join(address.split(".")[2:4]) for address in told} == sent
