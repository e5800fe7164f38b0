"""Every error as `Problem` JSON: what was wrong, and what would be right.

Duty: the web floor's own errors and the mapping of every exception that a route can raise to a response.
It never echoes a request's values back (a mistyped password must not travel to a log or a screen).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from web.schemas import Problem
from web.station_view import (
    LimitRefusedError,
    NotPossibleError,
    StaleAcknowledgementError,
    UnknownIdError,
)

MOST_IDS_NAMED = 20


class WebError(Exception):
    """Base of the web floor's errors."""


class ProblemError(WebError):
    """An error that knows its answer: HTTP status, `Problem`, extra headers."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        remedy: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.problem = Problem(title=title, detail=detail, remedy=remedy)
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The answer as it goes over the wire."""
        return Response(
            self.problem.model_dump_json().encode(),
            status_code=self.status,
            headers=self.headers,
            media_type="application/json",
        )


class TooManyRequestsError(ProblemError):
    """429: what is limited, and in how many seconds it may be tried again."""

    def __init__(self, detail: str, retry_after_s: float) -> None:
        seconds = max(1, math.ceil(retry_after_s))
        super().__init__(
            429,
            "Too many attempts",
            detail,
            f"Try again in {seconds} s.",
            {"Retry-After": str(seconds)},
        )
        self.retry_after_s = retry_after_s


def not_signed_in() -> ProblemError:
    """401: no session, an unknown one, or one that has ended."""
    return ProblemError(401, "Not signed in", "This needs a session.", "Sign in and try again.")


def unknown_id(what: str, known: Sequence[str]) -> ProblemError:
    """404 that names the unknown id and what there is."""
    shown = ", ".join(known[:MOST_IDS_NAMED]) + (", ..." if len(known) > MOST_IDS_NAMED else "")
    remedy = f"There is: {shown}." if known else "There is none yet."
    return ProblemError(404, "Unknown id", what, remedy)


def _field(location: Sequence[Any]) -> str:
    """Where a value stood, as a person would say it: `query max_points`, `body new_password`."""
    return " ".join(str(part) for part in location) or "request"


def _said(error: Mapping[str, Any]) -> tuple[str, str]:
    """(detail, remedy) of one validation error, without the value."""
    field = _field(error["loc"])
    context = error.get("ctx", {})
    kind = str(error["type"])
    reason = str(error["msg"])
    remedies = {
        "missing": f"Send {field}.",
        "extra_forbidden": f"Leave {field} out.",
        "json_invalid": "Send one well-formed JSON object.",
        "string_too_short": f"Give at least {context.get('min_length')} characters.",
        "string_too_long": f"Give at most {context.get('max_length')} characters.",
        "greater_than_equal": f"Give {context.get('ge')} or more.",
        "less_than_equal": f"Give {context.get('le')} or less.",
        "literal_error": f"Give one of: {context.get('expected')}.",
        "model_attributes_type": "Send a JSON object with `Content-Type: application/json`.",
    }
    return f"{field}: {reason}", remedies.get(kind, "Correct this field.")


def validation_problem(errors: Sequence[Mapping[str, Any]]) -> ProblemError:
    """422 that names each field (ten at most), why it is refused and what would be right."""
    said = [_said(error) for error in errors[:10]]
    return ProblemError(
        422,
        "Invalid request",
        "; ".join(detail for detail, _ in said) or "The request is not valid.",
        " ".join(dict.fromkeys(remedy for _, remedy in said)),
    )


_HTTP_PROBLEMS = {
    400: ("Bad request", "The body cannot be read.", "Send one well-formed JSON object in UTF-8."),
    404: ("Not found", "There is nothing at this address.", "See the list of routes in web/README.md."),
    405: ("Method not allowed", "This address does not take that method.", "Use the method of `Allow`."),
}


def install_error_handlers(app: FastAPI) -> None:
    """Maps every exception that a route may raise; what nobody foresaw is `headers.SecurityHeaders`'s."""

    async def on_problem(_request: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)
        return error.response()

    async def on_validation(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return validation_problem(error.errors()).response()

    async def on_http(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        title, detail, remedy = _HTTP_PROBLEMS.get(error.status_code, ("Error", str(error.detail), ""))
        return ProblemError(error.status_code, title, detail, remedy, error.headers).response()

    async def on_unknown_id(_request: Request, error: Exception) -> Response:
        assert isinstance(error, UnknownIdError)
        return unknown_id(str(error.args[0]), error.known).response()

    async def on_stale(_request: Request, error: Exception) -> Response:
        return ProblemError(
            409,
            "Acknowledgement out of date",
            str(error) or "The alarm is not in the activation that you saw.",
            "Reload the alarm, look at it as it is now, and acknowledge that.",
        ).response()

    async def on_limit_refused(_request: Request, error: Exception) -> Response:
        assert isinstance(error, LimitRefusedError)
        what = str(error.args[0])
        detail = what[:1].upper() + what[1:].rstrip(".") + "."
        return ProblemError(409, "The limit is not changed", detail, error.remedy).response()

    async def on_not_possible(_request: Request, error: Exception) -> Response:
        remedy = "Try again in a moment; the appliance's page says more."
        return ProblemError(503, "Not possible at present", f"{error}.", remedy).response()

    app.add_exception_handler(LimitRefusedError, on_limit_refused)
    app.add_exception_handler(NotPossibleError, on_not_possible)
    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(UnknownIdError, on_unknown_id)
    app.add_exception_handler(StaleAcknowledgementError, on_stale)
