"""The log: a line for what was refused or went wrong, each with the id of its request, never with a body."""

from __future__ import annotations

import logging
import re
import secrets
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from cl2cm_plugin.vectorizer.failures import shortened

if TYPE_CHECKING:
    from starlette.requests import Request

    from cl2cm_plugin.vectorizer.web.answers import Answer

REQUEST_ID = "X-Request-ID"
_USABLE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_TRACE = re.compile("[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_LONGEST = 500
_TEXT = "%(levelname)s %(name)s: %(message)s"
_JSON = "%(asctime)s %(levelname)s %(name)s %(message)s"

logger = logging.getLogger(__name__)
_context: ContextVar[dict[str, str] | None] = ContextVar("request", default=None)


def begin(request: Request) -> str:
    """Remember, for every line that is logged on behalf of a request, which one it is.

    Args:
        request: The request; its ``X-Request-ID`` is kept if it is one, and the trace of its ``traceparent``.

    Returns:
        The request's id.
    """
    given = request.headers.get(REQUEST_ID, "")
    known = given if _USABLE_ID.fullmatch(given) else secrets.token_hex(8)
    trace = _TRACE.fullmatch(request.headers.get("traceparent", ""))
    _context.set({"request_id": known, **({"trace_id": trace[1]} if trace else {})})
    return known


def refused(request: Request, answer: Answer, seconds: float) -> None:
    """Log that a request was refused: as an error with its traceback where that is our fault.

    Args:
        request: The request.
        answer: The refusal.
        seconds: What it took.
    """
    failure = answer.failure
    ours = not hasattr(failure, "reason")
    path, status = _one_line(request.scope["path"]), answer.response.status_code
    logger.log(
        logging.ERROR if ours else logging.INFO,
        "%s %s: %d %s",
        request.method,
        path,
        status,
        type(failure).__name__ if ours else _one_line(str(failure)),
        extra={
            "method": request.method,
            "path": path,
            "client": request.client.host if request.client else None,
            "contract": answer.contract,
            "status": status,
            "seconds": round(seconds, 4),
        },
        exc_info=failure if ours else None,
    )


def set_up(form: str) -> None:
    """Send the log to standard error.

    Args:
        form: ``text``, or ``json`` with one object a line.
    """
    handler = logging.StreamHandler()
    handler.addFilter(_add_request)
    if form == "json":
        from pythonjsonlogger.orjson import OrjsonFormatter

        renamed = {"asctime": "time", "levelname": "level", "name": "logger"}
        handler.setFormatter(OrjsonFormatter(_JSON, rename_fields=renamed))
    else:
        handler.setFormatter(_TextFormatter(_TEXT))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("cl2cm_plugin").setLevel(logging.INFO)
    # It tells of every damaged picture, which is the sender's business.
    logging.getLogger("PIL").setLevel(logging.CRITICAL)


def _one_line(text: str) -> str:
    """Shorten a caller's text to what cannot pass for lines of the log's own."""
    short = shortened(text, _LONGEST)
    return short if short.isprintable() else ascii(short)


def _add_request(record: logging.LogRecord) -> bool:
    for name, value in (_context.get() or {}).items():
        setattr(record, name, value)
    return True


class _TextFormatter(logging.Formatter):
    """Puts the request's id behind the message."""

    def format(self, record: Any) -> str:
        line = super().format(record)
        known = getattr(record, "request_id", None)
        return f"{line} (request {known})" if known else line
