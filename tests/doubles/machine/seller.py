"""An agent that is paid by x402: the library's own server side around /execute."""

from collections import deque
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from x402 import x402ResourceServer
from x402.http import FacilitatorConfig, HTTPFacilitatorClient
from x402.http.middleware.fastapi import payment_middleware
from x402.mechanisms.evm.exact.register import register_exact_evm_server

from tests.doubles.machine.facilitator import NETWORK

PAYEE = "0x" + "77" * 20


class Seller:
    """The double; `prices` are its offers in dollars, the first is not the cheapest."""

    def __init__(self, facilitator_url: str, *prices: str) -> None:
        self.signatures: list[str | None] = []
        self.keys: list[str] = []
        self.worked = 0
        self.after: deque[Response] = deque()
        server = x402ResourceServer(HTTPFacilitatorClient(FacilitatorConfig(url=facilitator_url)))
        register_exact_evm_server(server)
        offers = [
            {"scheme": "exact", "payTo": PAYEE, "price": price, "network": NETWORK}
            for price in prices
        ]
        routes: Any = {"POST /execute": {"accepts": offers}}
        paid = payment_middleware(routes, server)
        self.app = FastAPI()

        @self.app.middleware("http")
        async def pay(request: Request, call_next: Any) -> Any:
            if request.url.path != "/execute":
                return await call_next(request)
            signature = request.headers.get("payment-signature")
            self.signatures.append(signature)
            self.keys.append(request.headers["idempotency-key"])
            if signature is not None and self.after:
                return self.after.popleft()
            return await paid(request, call_next)

        @self.app.post("/execute")
        async def execute(request: Request) -> Any:
            self.worked += 1
            said = await request.json()
            return {"result": f"did {said['text']}", "cost": 0.5, "vendor": "Paid Agent"}

        @self.app.get("/info")
        @self.app.get("/health")
        async def about() -> Any:
            return {"status": "healthy"}


def nothing() -> Response:
    """What a seller says when it could not settle after its work."""
    return JSONResponse({}, 402)
