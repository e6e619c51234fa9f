"""The committed API documents are those of the code."""

import json

import pytest

from contracts.catalogue import EVENTS
from contracts.permissions import ORDERS
from tests.docs.specs import FOLDER, documents

FOUND = dict(documents())


@pytest.mark.parametrize("name", sorted(FOUND))
def test_a_committed_document_is_that_of_the_code(name: str) -> None:
    path = FOLDER / name
    committed = path.read_text() if path.exists() else None
    assert committed == FOUND[name], f"{name} is not what the code says: run `make specs`"


def test_no_document_is_left_over() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(FOUND)


def test_they_are_made_the_same_every_time() -> None:
    assert dict(documents()) == FOUND


@pytest.mark.parametrize("name", sorted(name for name in FOUND if "asyncapi" in name))
def test_a_service_document_names_what_it_receives_and_sends(name: str) -> None:
    document, context = json.loads(FOUND[name]), name.split(".", maxsplit=1)[0]
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
