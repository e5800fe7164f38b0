"""The page itself: the built UI's files, and its index for every address that the page routes on its own.

Not a route but what the router falls back to, so that a wrong method on a route stays a 405.
"""

from __future__ import annotations

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from web.errors import ProblemError
from web.headers import is_api

NOT_BUILT = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Stethos: the UI is not built</title></head>
<body>
<h1>The UI is not built</h1>
<p>The appliance runs, but its pages are missing. In the checkout, run <code>make setup</code>
and load this page again.</p>
<p>The HTTP interface works without them: <a href="/api/health">/api/health</a>.</p>
</body>
</html>
"""
HASHED = "assets/"  # Vite puts a hash of the content into the names under it
FOREVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"


class Spa:
    """Serves the files of one folder; what is no file and does not look like one gets `index.html`."""

    def __init__(self, folder: Path) -> None:
        self._files = StaticFiles(directory=folder, check_dir=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # there are no web sockets here
            await receive()
            await send({"type": "websocket.close", "code": 1000})
            return
        try:
            response = await self._respond(scope)
        except ProblemError as refused:
            response = refused.response()
        await response(scope, receive, send)

    async def _respond(self, scope: Scope) -> Response:
        path = str(scope["path"])
        if is_api(path):
            raise ProblemError(404, "Not found", f"There is no route {path[:200]!r}.", "See web/README.md.")
        if scope["method"] not in ("GET", "HEAD"):
            raise ProblemError(
                405, "Method not allowed", "Pages are only read.", "Use GET.", {"Allow": "GET, HEAD"}
            )
        name = path.lstrip("/")
        response = await self._file(name, scope) if name else None
        if response is not None:
            response.headers["Cache-Control"] = FOREVER if name.startswith(HASHED) else ASK_AGAIN
            return response
        if "." in name.rsplit("/", 1)[-1]:
            raise ProblemError(404, "Not found", "There is no such file.", "Load the page again.")
        index = await self._file("index.html", scope)
        if index is None:
            return HTMLResponse(NOT_BUILT, 503, headers={"Cache-Control": "no-store"})
        index.headers["Cache-Control"] = ASK_AGAIN
        return index

    async def _file(self, name: str, scope: Scope) -> Response | None:
        """The file's answer (conditional requests included), or None if there is none by that name."""
        if "\0" in name or len(name) > 1000:
            return None
        try:
            response = await self._files.get_response(name, scope)
        except HTTPException as error:
            if error.status_code == 404:
                return None
            raise ProblemError(error.status_code, "Not readable", "The file cannot be read.") from error
        return response if response.status_code in (200, 206, 304) else None
