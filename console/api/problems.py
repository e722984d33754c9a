"""What is wrong with a request, as RFC 9457 says it: `application/problem+json`, with a remedy."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import JSONResponse

from archive.folder import ArchiveError
from console.access.permissions import Forbidden

MEDIA = "application/problem+json"


class Problem(BaseModel):
    """Why there is no answer."""

    title: str
    status: int
    detail: str = ""
    """What is wrong, and what to do."""


class Refused(HTTPException):
    """An answer that can't be given; `detail` says why, and the remedy."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(status, detail)
        self.title = title


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For the description of a path: which problems it may have."""
    content = {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": TITLES[status], "content": content, "model": Problem} for status in statuses}


TITLES = {
    400: "It can't be read",
    401: "Not signed in",
    403: "Not allowed",
    404: "There is none",
    405: "Not that way",
    422: "A parameter is wrong",
    503: "Not now",
}


def install(app: FastAPI) -> None:
    """Have all faults of an application told so."""

    @app.exception_handler(StarletteHTTPException)
    async def refused(request: Request, fault: StarletteHTTPException) -> JSONResponse:
        title = getattr(fault, "title", TITLES.get(fault.status_code, "No answer"))
        return _told(Problem(title=title, status=fault.status_code, detail=str(fault.detail)), fault.headers)

    @app.exception_handler(Forbidden)
    async def forbidden(request: Request, fault: Forbidden) -> JSONResponse:
        return _told(Problem(title=TITLES[403], status=403, detail=str(fault)))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, fault: RequestValidationError) -> JSONResponse:
        said = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in fault.errors())
        return _told(Problem(title=TITLES[422], status=422, detail=said))

    @app.exception_handler(ArchiveError)
    async def unreadable(request: Request, fault: ArchiveError) -> JSONResponse:
        return _told(Problem(title=TITLES[422], status=422, detail=str(fault)))


def _told(problem: Problem, headers: Any = None) -> JSONResponse:
    return JSONResponse(problem.model_dump(), problem.status, headers, MEDIA)
