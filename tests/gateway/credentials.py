"""Keys made by the key tool, and an issuer of tokens that publishes its own keys."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway import keytool


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@dataclass
class Said:
    """How the key tool ended, and what it said."""

    code: int
    out: str
    err: str


async def keytool_says(nats_url: str, *argv: str) -> Said:
    """Run the key tool against this NATS."""
    out, err = StringIO(), StringIO()

    def run() -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NATS_URL", nats_url)
            with redirect_stdout(out), redirect_stderr(err):
                return keytool.main(argv)

    code = await asyncio.to_thread(run)
    return Said(code, out.getvalue(), err.getvalue())


async def make_key(nats_url: str, account: str, *options: str) -> str:
    said = await keytool_says(nats_url, "make", account, *options)
    assert said.code == 0, said.err
    # A gateway of this process may log a line at the same moment.
    [key] = [line for line in said.out.splitlines() if line.startswith("bzr_")]
    return key


@dataclass
class Issuer:
    """Signs tokens, and publishes its keys over HTTP.

    Attributes:
        asked: how often its keys were fetched.
        away: answer 503 in place of the keys.
        says: what is answered in place of the keys.
        endless: go on answering, a byte at a time.
        elsewhere: send who asks there.
    """

    url: str = ""
    asked: int = 0
    away: bool = False
    says: bytes | None = None
    endless: bool = False
    elsewhere: str = ""
    _keys: dict[str, ec.EllipticCurvePrivateKey] = field(default_factory=dict)

    def new_key(self, id_: str, *, published: bool = True) -> ec.EllipticCurvePrivateKey:
        key = ec.generate_private_key(ec.SECP256R1())
        if published:
            self._keys = {id_: key}  # The one before is taken back.
        return key

    def token(self, key: ec.EllipticCurvePrivateKey, id_: str = "one", **claims: Any) -> str:
        now = int(time.time())
        whole = {
            "iss": "https://issuer.example",
            "aud": "bazaar",
            "sub": "alice",
            "scope": "read write",
            "exp": now + 600,
        } | claims
        whole = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(whole, key, "ES256", headers={"kid": id_})

    def published(self) -> bytes:
        if self.says is not None:
            return self.says
        keys = []
        for id_, key in self._keys.items():
            public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
            keys.append({**public, "kid": id_, "alg": "ES256", "use": "sig"})
        return json.dumps({"keys": keys}).encode()


@contextmanager
def issuing() -> Iterator[Issuer]:
    issuer = Issuer()

    class Published(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked += 1
            self.send_response(503 if issuer.away else 302 if issuer.elsewhere else 200)
            if issuer.elsewhere:
                self.send_header("Location", issuer.elsewhere)
            self.end_headers()
            self.wfile.write(issuer.published())
            with suppress(OSError):
                while issuer.endless:
                    self.wfile.write(b" ")
                    self.wfile.flush()
                    time.sleep(0.01)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Published)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    issuer.url = f"http://127.0.0.1:{server.server_port}/keys"
    try:
        yield issuer
    finally:
        issuer.endless = False
        server.shutdown()
        thread.join()
        server.server_close()
