"""Every error that no contract answers: a sentence in the form that whoever posts to such a path can read."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from cl2cm_plugin.vectorizer.contracts.catalogue import FORCED, SHARED
from cl2cm_plugin.vectorizer.failures import InvalidRequestError, RequestError

SERVED = (
    f"{', '.join(map(str, SHARED))}, GET /meta, GET /.well-known/ready and GET /.well-known/live; "
    "before a path may stand /m/<model>, /d/<dimensions> and /c/<contract>, in this order"
)
_UNKNOWN_PATH = (404, 405)


def add_error_answers(app: FastAPI) -> None:
    """Answer every error of an application as JSON with a sentence."""

    async def refused(request: Request, failure: Any) -> Response:
        return _answer(request, failure.status, str(failure))

    async def not_served(request: Request, error: Any) -> Response:
        message = f"{request.method} {request.url.path}: {str(error.detail).lower()}"
        if error.status_code in _UNKNOWN_PATH:
            message += f"; this vectorizer answers {SERVED}"
        return _answer(request, error.status_code, message, error.headers)

    async def invalid(request: Request, _error: Exception) -> Response:
        return _answer(request, InvalidRequestError.status, "the request is not what this path takes")

    async def broken(request: Request, _error: Exception) -> Response:
        return _answer(request, 500, "internal error; the vectorizer's log says why")

    app.add_exception_handler(RequestError, refused)
    app.add_exception_handler(HTTPException, not_served)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, broken)


def _answer(request: Request, status: int, message: str, headers: Any = None) -> Response:
    return Response(_body(request.url.path, status, message), status, headers, media_type="application/json")


def _body(path: str, status: int, message: str) -> bytes:
    for endpoint in (*FORCED, *SHARED):
        if path.endswith(endpoint.path):
            return endpoint.usual.failure(message, status)
    return orjson.dumps({"error": message})
