"""Without authentication this machine alone comes in, unless somebody answers for more."""

import socket
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from gateway.__main__ import say_who_may_ask
from tests.support.gateways import gateway_settings, serving

NO_BUS = "nats://127.0.0.1:1"
EVERYWHERE = "0.0.0.0"  # noqa: S104  (to see what comes of it)


def reached_from_outside(url: str) -> bool:
    """All of 127/8 is this machine, and what listens on 127.0.0.1 alone does not answer there."""
    with socket.socket() as other:
        other.settimeout(5)
        return other.connect_ex(("127.0.0.2", int(url.rpartition(":")[2]))) == 0


@pytest.mark.parametrize(
    ("given", "open_", "level", "words"),
    [
        ({}, False, "info", "127.0.0.1 only"),
        ({"host": EVERYWHERE}, False, "warning", "127.0.0.1 only, whatever HOST says"),
        ({"host": EVERYWHERE, "auth_none_public": True}, True, "warning", "may spend"),
        ({"host": EVERYWHERE, "auth_mode": "token"}, True, "info", "authenticated"),
    ],
    ids=["default", "host", "opt-in", "token"],
)
def test_who_is_let_in_is_decided_and_said(
    given: dict[str, Any], open_: bool, level: str, words: str
) -> None:
    structlog.reset_defaults()
    settings = gateway_settings(NO_BUS, **given)
    with capture_logs() as log:
        say_who_may_ask(settings)
    assert [(line["log_level"], words in line["event"]) for line in log] == [(level, True)]
    with serving(settings) as served:
        assert reached_from_outside(served.url) == open_
