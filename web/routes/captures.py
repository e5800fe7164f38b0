"""Raw waveforms around alarms: a list, a picture, a file to take away, and one by hand."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Query, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from web.capture_provider import CaptureProvider, CaptureRefusedError, FileFormat
from web.capture_schemas import CaptureRequest, CapturesBegun, CaptureView, WaveformView
from web.errors import ProblemError
from web.routes.context import CHANGE, READ, Id, SignedIn, json_list_of, json_of, problems

router = APIRouter(prefix="/api/captures", tags=["captures"])
_captures: TypeAdapter[list[CaptureView]] = TypeAdapter(list[CaptureView])
OptionalId = Annotated[str | None, Query(min_length=1, max_length=200)]


async def captures_of(request: Request) -> CaptureProvider:
    return cast(CaptureProvider, request.app.state.captures)


Captures = Annotated[CaptureProvider, Depends(captures_of)]


@router.get("", response_model=list[CaptureView], responses=problems(*READ, 422, 503))
async def list_captures(
    captures: Captures,
    _session: SignedIn,
    alarm_id: OptionalId = None,
    asset_id: OptionalId = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """Captured waveforms, the latest first; of one alarm or one machine where it is named."""
    return json_list_of(_captures, await captures.captures(alarm_id, asset_id, limit))


@router.post("", response_model=CapturesBegun, responses=problems(*CHANGE, 404, 409))
async def begin_capture(body: CaptureRequest, captures: Captures, session: SignedIn) -> Response:
    """Captures the waveforms of a machine around now; what comes after follows within seconds."""
    try:
        begun = await captures.request(body.asset_id, session.user, body.comment)
    except CaptureRefusedError as error:
        raise _refused(error) from error
    return json_of(CapturesBegun(capture_ids=begun))


@router.get(
    "/{capture_id}/waveform", response_model=WaveformView, responses=problems(*READ, 404, 409, 422, 503)
)
async def get_waveform(
    capture_id: Id,
    captures: Captures,
    _session: SignedIn,
    max_points: Annotated[int, Query(ge=10, le=5000)] = 1000,
) -> Response:
    """A picture of a capture: the least and the greatest sample of each stretch of time."""
    try:
        return json_of(await captures.waveform(capture_id, max_points))
    except CaptureRefusedError as error:
        raise _refused(error) from error


@router.get(
    "/{capture_id}/file",
    response_class=Response,
    responses={
        200: {
            "content": {"audio/wav": {}, "application/octet-stream": {}},
            "description": "All samples, float32",
        },
        **problems(*READ, 404, 409, 422, 503),
    },
)
async def get_capture_file(
    capture_id: Id,
    captures: Captures,
    _session: SignedIn,
    file_format: Annotated[FileFormat, Query(alias="format")] = "wav",
) -> Response:
    """The samples of a capture as WAV (nominal rate, no gaps) or as UFF 58 (true rate, gaps)."""
    try:
        file = await captures.file(capture_id, file_format)
    except CaptureRefusedError as error:
        raise _refused(error) from error
    disposition = f'attachment; filename="{file.name}"'
    return Response(file.content, media_type=file.media_type, headers={"Content-Disposition": disposition})


def _refused(error: CaptureRefusedError) -> ProblemError:
    return ProblemError(409, "Not captured", str(error.args[0]), error.remedy)
