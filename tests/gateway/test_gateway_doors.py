"""Which doors there are is a setting; what is off is not there."""

import pytest
from pydantic import ValidationError

from gateway.doors import DOORS
from tests.support.gateways import gateway_settings, serving
from tests.support.stack import Stack


async def test_a_door_that_is_off_is_not_there(stack: Stack) -> None:
    with serving(gateway_settings(stack.nats_url, doors="none")) as served:
        async with served.client() as http:
            for door in DOORS.values():
                for place in door.places:
                    assert (await http.get(place)).status_code == 404
            # A part of the API that only the door for A2A asks.
            assert (await http.get("/api/pushes?about=a-task")).status_code == 404


def test_a_door_that_there_is_not_is_refused(stack: Stack) -> None:
    assert gateway_settings(stack.nats_url, doors="a2a, mcp").doors == ("a2a", "mcp")
    assert gateway_settings(stack.nats_url).doors == tuple(DOORS)
    with pytest.raises(ValidationError, match="there is no door gopher"):
        gateway_settings(stack.nats_url, doors="mcp,gopher")
