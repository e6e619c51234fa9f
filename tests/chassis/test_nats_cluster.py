"""A server of a cluster tells clients of the others; whoever goes there is the same one there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import nats
import pytest
from faststream.nats import NatsBroker

from chassis import topology
from chassis.bus.connecting import connect_options
from chassis.bus.leaders import patiently
from chassis.bus.servers import servers
from chassis.endings import end
from chassis.keeper import Keeper
from chassis.settings import BusSettings
from deploy.local import nats as local_nats
from deploy.local.embedded import EmbeddedServer
from deploy.local.ports import free_port
from tests.support.polling import eventually

USERS = "authorization { users: [{ user: task, password: hush }] }\n"


@asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[list[EmbeddedServer]]:
    """Two servers that turn strangers away; none is started yet."""
    routes, found = [free_port(), free_port()], []
    urls = ", ".join(f"nats://127.0.0.1:{port}" for port in routes)
    async with AsyncExitStack() as stack:
        for n, route in enumerate(routes):
            home, port, monitor_port = folder / str(n), free_port(), free_port()
            home.mkdir()
            process = replace(
                local_nats.process(home, port, monitor_port),
                ready=f"http://127.0.0.1:{monitor_port}/varz",
            )
            (home / "nats/server.conf").write_text(
                f"listen: 127.0.0.1:{port}\nhttp: 127.0.0.1:{monitor_port}\n{USERS}"
                f'server_name: n{n}\njetstream {{ store_dir: "{home}" }}\n'
                f"cluster {{ name: c, listen: 127.0.0.1:{route}, routes: [{urls}] }}\n"
            )
            found.append(EmbeddedServer(process, home, f"nats://task:hush@127.0.0.1:{port}"))
            stack.push_async_callback(found[-1].stop)
        yield found


async def test_a_server_that_was_not_named_knows_who_comes(tmp_path: Path) -> None:
    async with cluster(tmp_path) as (first, second):
        await asyncio.gather(first.start(), second.start())
        settings = BusSettings(nats_url=first.url)
        broker = NatsBroker(**connect_options(settings, "task_svc"), logger=None)
        client = await broker.connect()

        async def told() -> bool:
            return bool(client.discovered_servers)

        async def there() -> bool:
            here = client.connected_url
            return client.is_connected and here is not None and here.netloc in second.url

        await eventually(told)
        await first.kill()
        await eventually(there)
        await client.flush()
        await broker.stop()


async def test_a_service_that_starts_waits_for_a_leader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topology, "ANSWER_S", 0.2)
    async with cluster(tmp_path) as (first, second):
        await first.start()
        client = await nats.connect(**servers(first.url).options())
        with pytest.raises(TimeoutError):  # One of two servers leads nothing.
            await topology.verify(client, "task")
        verifying = asyncio.create_task(patiently(partial(topology.verify, client, "task")))
        await second.start()
        with pytest.raises(topology.Drift, match="is missing"):
            await verifying
        await client.close()


async def test_who_declares_the_streams_waits_for_a_leader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topology, "ANSWER_S", 0.2)
    async with cluster(tmp_path) as (first, second):
        await first.start()
        monkeypatch.setenv("NATS_URL", first.url)
        keeper = Keeper(topology.Settings(), every_s=0.2)
        keeping = asyncio.create_task(keeper.run())
        step = asyncio.create_task(topology.main())

        async def alone() -> bool:
            return keeper.wrong == ["The bus cannot be kept: TimeoutError."]

        async def complete() -> bool:
            return (await keeper.able())[0]

        await eventually(alone)
        assert not step.done()
        await second.start()
        assert await step == 0
        await eventually(complete)
        await end(keeping)


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("nats://a:1,b:2", {"servers": ["nats://a:1", "b:2"]}),
        ("tls://me:h%40@a", {"servers": ["tls://a"], "user": "me", "password": "h%40"}),
        ("tls://word@a, tls://b", {"servers": ["tls://a", "tls://b"], "token": "word"}),
    ],
)
def test_the_login_is_apart_from_the_servers(url: str, options: dict[str, object]) -> None:
    assert servers(url).options() == options
