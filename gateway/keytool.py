"""API keys and accounts by hand (`python -m gateway.keytool`).

Makes, lists and revokes keys, opens wallets, closes accounts, and pays out what they earned.

Talks to NATS directly, at NATS_URL, as an operator; the gateways need not run.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import KeyNotFoundError, NoKeysError
from pydantic import TypeAdapter, ValidationError

from chassis.bus.calls import Bus
from chassis.bus.connecting import connect_options
from chassis.bus.envelopes import new_id, origin
from chassis.observability.terminal import one_line, plain
from chassis.settings import BusSettings
from contracts.base import Id
from contracts.errors import Refusal
from contracts.ledger import OPEN_WALLET, OpenWallet
from contracts.listings import CLOSE_LISTINGS, CloseListings
from contracts.selling import REQUEST_PAYOUT, RequestPayout
from contracts.spending import CLOSE_ACCOUNT, CloseAccount
from contracts.topology import API_KEYS
from contracts.users import ADMIN
from gateway.buckets import bucket
from gateway.errors import sentence
from gateway.identity import SCOPES, Scope, account_named
from gateway.keys import ApiKey, new_key

WAIT_S = 10.0
Work = Callable[[argparse.Namespace, Client, Bus], Coroutine[Any, Any, int]]


def main(argv: Sequence[str] | None = None, prog: str = "python -m gateway.keytool") -> int:
    """The command line, which people call `prog`. Returns the exit code."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    make = commands.add_parser("make", help="make a key; it is shown once, on standard output")
    make.add_argument("account", type=_account)
    make.add_argument("--scopes", type=_scopes, default="read,write", help="read,write,admin")
    make.add_argument("--note", default="", help="whose key it is, in words")
    make.add_argument("--days", type=_days, help="how long it is valid; for ever without")
    make.add_argument("--grant", type=_grant, help="BazaarBucks of a wallet that is opened now")
    make.set_defaults(work=_make)
    shown = commands.add_parser("list", help="list the keys, without their secrets")
    shown.set_defaults(work=_list)
    revoke = commands.add_parser("revoke", help="make a key invalid, at once and everywhere")
    revoke.add_argument("id", help="what is between the underscores of bzr_ID_…")
    revoke.set_defaults(work=_revoke)
    wallet = commands.add_parser("wallet", help="open an account's wallet, unless it is open")
    wallet.add_argument("account", type=_named, help="or what an issuer calls its owner")
    wallet.add_argument("--grant", type=_grant, help="BazaarBucks that it is opened with")
    wallet.set_defaults(work=_wallet)
    close = commands.add_parser("close", help="close an account: keys, listings, spending")
    close.add_argument("account", type=_named, help="or what an issuer calls its owner")
    close.add_argument("--reason", required=True, help="why; its listings say it")
    close.set_defaults(work=_close)
    payout = commands.add_parser("payout", help="pay an account out what its agents earned")
    payout.add_argument("account", type=_named, help="or what an issuer calls its owner")
    payout.add_argument("--amount", type=_grant, help="BazaarBucks; all that is available without")
    payout.set_defaults(work=_payout)
    try:
        return asyncio.run(_run(parser.parse_args(argv)))
    except ValidationError as error:
        return _fail(f"The settings are wrong: {sentence(error.errors())}")


def _account(text: str) -> str:
    try:
        return TypeAdapter(Id).validate_python(text)
    except ValidationError:
        raise argparse.ArgumentTypeError("1 to 64 letters, digits, - and _") from None


def _named(text: str) -> str:
    try:
        return account_named(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _scopes(text: str) -> frozenset[Scope]:
    found = {word.strip() for word in (text or "read,write").split(",")}
    if not found <= SCOPES:
        raise argparse.ArgumentTypeError(f"there are {', '.join(sorted(SCOPES))}")
    return cast("frozenset[Scope]", frozenset(found))


def _days(text: str) -> timedelta | None:
    try:
        days = timedelta(days=float(text)) if text else None
    except (ValueError, OverflowError):
        days = timedelta(0)
    if days is not None and days <= timedelta(0):
        raise argparse.ArgumentTypeError("a number of days")
    return days


def _grant(text: str) -> Decimal | None:
    try:
        return OpenWallet(grant=Decimal(text)).grant if text else None
    except (InvalidOperation, ValidationError):
        raise argparse.ArgumentTypeError("an amount in BazaarBucks") from None


async def _run(args: argparse.Namespace) -> int:
    broker = NatsBroker(**connect_options(BusSettings(), "keytool"), logger=None)
    work: Work = args.work
    try:
        async with asyncio.timeout(WAIT_S):
            client = await broker.connect()
            return await work(args, client, Bus(broker, ADMIN))
    except Refusal as error:
        return _fail(error.message)
    except TimeoutError:
        return _fail("The message bus is not reachable. Set NATS_URL.")
    except NatsError as error:
        return _fail(f"The message bus refuses: {error!r}")
    finally:
        await broker.stop()


async def _make(args: argparse.Namespace, client: Client, bus: Bus) -> int:
    expires_at = datetime.now(UTC) + args.days if args.days else None
    id_, token, kept = new_key(args.account, args.scopes, args.note, expires_at)
    await bucket(client, API_KEYS).create(id_, kept.model_dump_json().encode())
    sys.stdout.write(f"{token}\n")
    sys.stdout.flush()
    _say(f"Key {id_} of account {kept.account}, scopes {_words(kept)}. It is not shown again.")
    try:
        return await _wallet(args, client, bus)
    except Refusal as error:
        _say(f"Its wallet could not be looked after: {error.message}")
        _say(f"Later: python -m gateway.keytool wallet {kept.account}")
        return 0


async def _wallet(args: argparse.Namespace, _client: Client, bus: Bus) -> int:
    cause = origin(ADMIN, "keytool.wallet", args.account)
    wallet = await bus.ask(OPEN_WALLET, OpenWallet(grant=args.grant), cause)
    _say(f"The wallet of {args.account} has {wallet.available} BazaarBucks available.")
    if args.grant not in (None, wallet.posted):
        _say("It was open before, and stays as it is: a top-up brings more.")
    return 0


async def _close(args: argparse.Namespace, client: Client, bus: Bus) -> int:
    """Close an account; done again, it does what is left to do."""
    cause = origin(ADMIN, "keytool.close", args.account)
    closed = await bus.ask(CLOSE_ACCOUNT, CloseAccount(reason=args.reason), cause)
    keys = [id_ for id_, key in await _kept(client) if key.account == args.account]
    for id_ in keys:
        await bucket(client, API_KEYS).delete(id_)
    order, suspended = CloseListings(reason=args.reason), 0
    while off := (await bus.ask(CLOSE_LISTINGS, order, cause)).agent_ids:
        suspended += len(off)
    _say(
        f"Account {args.account} is closed since {closed.closed_at:%Y-%m-%d %H:%M} UTC"
        f" ({closed.reason}): {len(keys) + closed.revoked} keys and sessions revoked,"
        f" {suspended} listings suspended now. What it has and earned stays."
    )
    return 0


async def _payout(args: argparse.Namespace, _client: Client, bus: Bus) -> int:
    cause = origin(ADMIN, "keytool.payout", args.account)
    order = RequestPayout(payout_id=new_id(), amount=args.amount)
    paid = (await bus.ask(REQUEST_PAYOUT, order, cause)).payout
    _say(f"Payout {paid.id} of {paid.amount} BazaarBucks to {args.account} is {paid.status}.")
    return 0


async def _kept(client: Client) -> list[tuple[str, ApiKey]]:
    """All keys that are kept, by their ids."""
    kept = bucket(client, API_KEYS)
    try:
        ids = sorted(await kept.keys())
    except NoKeysError:
        ids = []
    found: list[tuple[str, ApiKey]] = []
    for id_ in ids:
        with suppress(KeyNotFoundError):  # It was revoked meanwhile.
            found.append((id_, ApiKey.model_validate_json((await kept.get(id_)).value or b"")))
    return found


async def _list(_args: argparse.Namespace, client: Client, _bus: Bus) -> int:
    keys = await _kept(client)
    for id_, key in keys:
        ends = key.expires_at.isoformat(timespec="minutes") if key.expires_at else "never"
        made = key.created_at.isoformat(timespec="minutes")
        ids_and_rights = f"{id_}  {key.account}  {_words(key)}  made {made}  ends {ends}"
        sys.stdout.write(f"{plain(ids_and_rights)}  {one_line(key.note)}\n")
    _say(f"{len(keys)} keys")
    return 0


async def _revoke(args: argparse.Namespace, client: Client, _bus: Bus) -> int:
    kept = bucket(client, API_KEYS)
    try:
        await kept.get(args.id)
    except KeyNotFoundError:
        return _fail(f"There is no key {args.id}.")
    await kept.delete(args.id)
    _say(f"Key {args.id} is revoked.")
    return 0


def _words(key: ApiKey) -> str:
    return ",".join(sorted(key.scopes))


def _say(line: str) -> None:
    sys.stderr.write(f"{one_line(line)}\n")


def _fail(line: str) -> int:
    _say(line)
    return 1


if __name__ == "__main__":
    sys.exit(main())
