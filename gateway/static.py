"""The built client, served from the API's own origin."""

import re
from http import HTTPStatus
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

RESERVED = ("/api", "/health", "/ready", "/docs", "/console", "/openapi.json")
"""Addresses that are never the client's."""

_HASHED = re.compile(r"assets/.*[-.][A-Za-z0-9_-]{8,}\.[a-z0-9.]+")
FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"


class Client(StaticFiles):
    """The files of a single-page client; what is no file is a page of it, so index.html."""

    def __init__(self, folder: Path) -> None:
        """Serve `folder`, which holds index.html."""
        super().__init__(directory=folder)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, or index.html; a file whose name has its hash never changes."""
        if scope["path"].startswith(tuple(f"{place}/" for place in RESERVED)) or (
            scope["path"] in RESERVED
        ):
            raise HTTPException(404)
        cache = FOR_EVER if _HASHED.fullmatch(path) else ASK_AGAIN
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != HTTPStatus.NOT_FOUND:
                raise
            response = await super().get_response("index.html", scope)
            cache = ASK_AGAIN
        response.headers["Cache-Control"] = cache
        return response
