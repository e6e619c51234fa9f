"""The gateway's own pages: the console, and what describes the API; nothing is from afar."""

from collections.abc import Container
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from gateway.static import ASK_AGAIN

CONSOLE = Path(str(files("gateway"))) / "console"
SPECS = Path(str(files("contracts"))) / "specs"
SWAGGER = Path(str(files("fastapi_swagger"))) / "resources"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""For pages of ours: files of this origin alone, and no code or style within a page."""
TYPED = f"{POLICY}; require-trusted-types-for 'script'; trusted-types 'none'"
"""For the console, too: no text becomes markup, whatever the code would like."""


class Files(StaticFiles):
    """The files of a folder whose names end so; asked for again each time, answered by 304."""

    def __init__(self, folder: Path, endings: Container[str]) -> None:
        """Serve `folder`."""
        super().__init__(directory=folder)
        self._endings = endings

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file; 404 for any other."""
        if Path(path).suffix not in self._endings:
            raise HTTPException(404)
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = ASK_AGAIN
        return response


def install(app: FastAPI, *, at_root: bool) -> None:
    """Serve the pages: /docs, /docs/events and /console; the last also at / when `at_root`."""
    routes = APIRouter(include_in_schema=False)

    async def console() -> Response:
        return _page("index.html", TYPED)

    async def docs() -> Response:
        return _page("docs.html", POLICY)

    async def events() -> Response:
        return _page("bus.html", TYPED)

    for path, page in (("/console", console), ("/docs", docs), ("/docs/events", events)):
        routes.add_api_route(path, page)
    if at_root:
        routes.add_api_route("/", console)
    app.include_router(routes)
    app.mount("/console", Files(CONSOLE, {".js", ".css", ".svg"}))
    app.mount("/docs/assets", Files(SWAGGER, {".js", ".css"}))
    app.mount("/docs/specs", Files(SPECS, {".json"}))


def _page(name: str, policy: str) -> Response:
    headers = {"Content-Security-Policy": policy, "Cache-Control": ASK_AGAIN}
    return FileResponse(CONSOLE / name, media_type="text/html; charset=utf-8", headers=headers)
