"""The OpenAPI document, from which the UI's types are generated: `python -m web.openapi [FILE]`.

The same code writes the same bytes: keys are sorted, and nothing of the running appliance is in it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

import argon2
from fastapi.routing import APIRoute

from web.app import ROUTERS, create_app
from web.auth import AuthStore
from web.guard import COOKIE, CSRF_HEADER, OPEN, SAFE_METHODS
from web.passwords import PasswordHashing
from web.station_view import HealthProvider, StationView


def document() -> dict[str, Any]:
    """OpenAPI 3.1 of every route, with who may call it."""
    with tempfile.TemporaryDirectory() as folder:
        cheap = PasswordHashing(argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        auth = AuthStore.open(Path(folder) / "auth.json", hashing=cheap)
        # Routes are described, none is called: the station is never asked.
        app = create_app(cast(StationView, None), auth, health=cast(HealthProvider, None))
        described: dict[str, Any] = app.openapi()
        cheap.close()
    described["components"]["securitySchemes"] = {
        "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
        "csrf": {"type": "apiKey", "in": "header", "name": CSRF_HEADER},
    }
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            for method in route.methods or ():
                operation = described["paths"][route.path][method.lower()]
                if (method, route.path) in OPEN:
                    operation["security"] = []
                elif method in SAFE_METHODS:
                    operation["security"] = [{"session": []}]
                else:
                    operation["security"] = [{"session": [], "csrf": []}]
    return described


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m web.openapi", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, help="where to write it (default: standard output)")
    text = json.dumps(document(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    target: Path | None = parser.parse_args().file
    if target is None:
        sys.stdout.write(text)
    else:
        target.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
