"""What lies in a stream, read without a consumer."""

from nats.js import JetStreamContext

from chassis.bus import stored
from chassis.bus.envelopes import new_id


async def test_pages_end_and_go_on(js: JetStreamContext) -> None:
    task = new_id()
    subject = f"bazaar.evt.probe.happened.{task}"
    for number in range(5):
        await js.publish(subject, str(number).encode())
    first = await stored.read(js._nc, "EVENTS", subject, 1, 2)
    assert [one.data for one in first.messages] == [b"0", b"1"]
    assert first.left == 3
    rest = await stored.read(js._nc, "EVENTS", subject, first.messages[-1].sequence + 1, 10)
    assert ([one.data for one in rest.messages], rest.left) == ([b"2", b"3", b"4"], 0)
    newest = await stored.last(js._nc, "EVENTS", subject)
    assert newest == rest.messages[-1]
    nothing = await stored.read(js._nc, "EVENTS", "bazaar.evt.probe.happened.nobody", 1, 10)
    assert (nothing.messages, nothing.left) == ((), 0)
    assert await stored.last(js._nc, "EVENTS", "bazaar.evt.probe.happened.nobody") is None


async def test_a_message_that_has_a_status_of_its_own_is_a_message(js: JetStreamContext) -> None:
    subject = f"bazaar.evt.probe.happened.{new_id()}"
    for status in ("204", "404", "408"):
        await js.publish(subject, status.encode(), headers={"Status": status})
    found = await stored.read(js._nc, "EVENTS", subject, 1, 10)
    assert [one.data for one in found.messages] == [b"204", b"404", b"408"]
    newest = await stored.last(js._nc, "EVENTS", subject)
    assert newest is not None
    assert newest.data == b"408"
