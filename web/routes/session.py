"""Signing in and out, and changing the password."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from web.auth import AuthStore, NotStoredError, WaitError, WrongPasswordError
from web.errors import ProblemError, TooManyRequestsError
from web.guard import COOKIE
from web.passwords import PasswordRefusedError
from web.routes.context import CHANGE, READ, Auth, Live, SignedIn, Token, json_of, problems
from web.schemas import LoginRequest, PasswordChange, SessionView
from web.sessions import ABSOLUTE_S, Session, csrf_token_of

router = APIRouter(prefix="/api/session", tags=["session"])

DEVICE_COOKIE = "stethos_device"  # spares a browser that signed in before the waits that others cause
DEVICE_COOKIE_S = 400 * 24 * 3600.0


def _view(auth: AuthStore, session: Session, token: str) -> SessionView:
    return SessionView(
        user=session.user,
        must_change_password=auth.must_change_password(session.user),
        csrf_token=csrf_token_of(token),
    )


def _set_cookie(response: Response, request: Request, name: str, value: str, lasts_s: float) -> Response:
    response.set_cookie(
        name,
        value,
        max_age=int(lasts_s),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


def _device_cookie(request: Request) -> str:
    return request.cookies.get(DEVICE_COOKIE, "")


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


@router.post("", response_model=SessionView, responses=problems(401, 403, 408, 413, 422, 429))
async def sign_in(body: LoginRequest, request: Request, auth: Auth) -> Response:
    """Signs in: answers the session and sets its cookie."""
    try:
        signed_in = await auth.sign_in(body.user, body.password, _address(request), _device_cookie(request))
    except WrongPasswordError:
        raise ProblemError(
            401,
            "Wrong user or password",
            "The user name and the password do not belong together.",
            "Check both. The first-boot password was printed when the appliance first started.",
        ) from None
    except WaitError as wait:
        raise TooManyRequestsError("Signing in failed too often.", wait.retry_after_s) from None
    response = json_of(_view(auth, signed_in.session, signed_in.token))
    _set_cookie(response, request, DEVICE_COOKIE, signed_in.device_cookie, DEVICE_COOKIE_S)
    return _set_cookie(response, request, COOKIE, signed_in.token, ABSOLUTE_S)


@router.get("", response_model=SessionView, responses=problems(401))
async def get_session(auth: Auth, session: SignedIn, token: Token) -> Response:
    """Who is signed in here, and the CSRF token that changes need."""
    return json_of(_view(auth, session, token))


@router.delete("", status_code=204, responses=problems(*READ))
async def sign_out(auth: Auth, live: Live, session: SignedIn) -> Response:
    """Ends this session and its live streams."""
    await auth.sign_out(session)
    live.end_sessions([session])
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


@router.post("/password", response_model=SessionView, responses=problems(*CHANGE, 429, 503))
async def change_password(
    body: PasswordChange, request: Request, auth: Auth, live: Live, session: SignedIn
) -> Response:
    """Changes the password. All of the user's sessions end; the answer carries a new one."""
    try:
        token, renewed, ended = await auth.change_password(
            session, body.old_password, body.new_password, _address(request), _device_cookie(request)
        )
    except WrongPasswordError:
        raise ProblemError(
            403, "Wrong password", "body old_password: not your present password.", "Give the present one."
        ) from None
    except PasswordRefusedError as refused:
        raise ProblemError(
            422,
            "Password refused",
            f"body new_password: {refused}.",
            "Choose at least 12 characters, not the old password, not the user's name.",
        ) from None
    except WaitError as wait:
        raise TooManyRequestsError("The old password was wrong too often.", wait.retry_after_s) from None
    except NotStoredError as error:
        raise ProblemError(
            503,
            "Password not stored",
            f"The new password could not be written ({error}); the old one still holds.",
            "Free space on the appliance's disk and try again.",
        ) from None
    live.end_sessions(ended)
    return _set_cookie(json_of(_view(auth, renewed, token)), request, COOKIE, token, ABSOLUTE_S)
