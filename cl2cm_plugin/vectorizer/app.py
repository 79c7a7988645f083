"""The HTTP service: routes, health, and every error in the form that Weaviate shows to its users."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from cl2cm_plugin.vectorizer.contracts.clip import ClipContract
from cl2cm_plugin.vectorizer.failures import InvalidRequestError, RequestError, UnavailableError, WrongModelError
from cl2cm_plugin.vectorizer.requests import Bodies, HungUpError, unless_hung_up
from cl2cm_plugin.vectorizer.service import State, Vectorizer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from cl2cm_plugin.encoder.model_info import ModelInfo
    from cl2cm_plugin.vectorizer.contracts import Contract
    from cl2cm_plugin.vectorizer.engines import Engine
    from cl2cm_plugin.vectorizer.settings import Settings

CONTRACTS: tuple[Contract, ...] = (ClipContract(),)
# A collection can name its model in its address, and is then safe from the vectors of another.
MODEL_PREFIX = "/m/{model}"
_HUNG_UP_STATUS = 499


def create_app(
    load_engine: Callable[[], Engine], info: ModelInfo, settings: Settings, engine_name: str = "torch"
) -> FastAPI:
    """Make the service.

    Args:
        load_engine: Makes the engine; called in the background once the service runs.
        info: What the model folder says of itself.
        settings: Limits and batching.
        engine_name: What ``/meta`` says computes the vectors.

    Returns:
        The ASGI application; its ``state.vectorizer`` is the `Vectorizer` behind it.
    """
    vectorizer = Vectorizer(load_engine, info, settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        vectorizer.start()
        try:
            yield
        finally:
            await vectorizer.close()

    # Weaviate follows no redirects, so none may be answered.
    app = FastAPI(title="cl2cm vectorizer", version=info.identity, lifespan=lifespan, redirect_slashes=False)
    app.state.vectorizer = vectorizer
    app.add_middleware(_SingleSlashes)
    router = APIRouter()
    _add_health(router, vectorizer)
    _add_meta(router, info, engine_name)
    bodies = Bodies(settings.max_body_bytes, settings.max_held_bytes)
    for contract in CONTRACTS:
        _add_contract(router, contract, vectorizer, bodies, settings)
    app.include_router(router)
    app.include_router(router, prefix=MODEL_PREFIX, dependencies=[Depends(_model_check(info))])
    _add_error_handlers(app)
    return app


def _add_health(router: APIRouter, vectorizer: Vectorizer) -> None:
    @router.get("/.well-known/live", status_code=204)
    @router.head("/.well-known/live", status_code=204, include_in_schema=False)
    async def live() -> Response:
        """Whether the process answers."""
        return Response(status_code=204)

    @router.get("/.well-known/ready", status_code=204)
    @router.head("/.well-known/ready", status_code=204, include_in_schema=False)
    async def ready() -> Response:
        """Whether vectors can be had now."""
        if vectorizer.state is not State.READY:
            raise UnavailableError(f"the vectorizer is {vectorizer.state}")
        return Response(status_code=204)


def _add_meta(router: APIRouter, info: ModelInfo, engine_name: str) -> None:
    facts = asdict(info) | {
        "model": info.identity,
        "engine": engine_name,
        "normalised": True,
        "contracts": [contract.name for contract in CONTRACTS],
    }
    # Weaviate's own readiness waits for this answer: it must cost nothing while the engine is busy.
    content = orjson.dumps(facts)

    @router.get("/meta")
    @router.head("/meta", include_in_schema=False)
    async def meta() -> Response:
        """What is served."""
        return Response(content, media_type="application/json")


def _add_contract(
    router: APIRouter, contract: Contract, vectorizer: Vectorizer, bodies: Bodies, settings: Settings
) -> None:
    async def work(body: bytes) -> bytes:
        items = contract.parse(body, settings)
        return contract.answer(items, await vectorizer.vectors(items))

    async def answer(request: Request) -> bytes:
        try:
            async with asyncio.timeout(settings.request_timeout), bodies.read(request) as body:
                return await unless_hung_up(request, work(body))
        except TimeoutError:
            raise UnavailableError(f"no answer within {settings.request_timeout:g} s, retry") from None

    # FastAPI would refuse a body without a Content-Type, which most of Weaviate's modules send; hence the raw request.
    async def vectorize(request: Request) -> Response:
        """Turn what is posted into vectors."""
        try:
            return Response(await answer(request), media_type="application/json")
        except RequestError as failure:
            return Response(contract.failure(str(failure)), failure.status, media_type="application/json")
        except (HungUpError, ClientDisconnect):
            return Response(status_code=_HUNG_UP_STATUS)

    body = {"requestBody": {"required": True, "content": {"application/json": {"schema": contract.schema}}}}
    router.add_api_route(contract.path, vectorize, methods=["POST"], name=contract.name, openapi_extra=body)


def _model_check(info: ModelInfo) -> Callable[[str], Awaitable[None]]:
    async def check_model(model: str) -> None:
        if model not in (info.name, *info.identities):
            raise WrongModelError(
                f"this collection was made with model {model}, but this vectorizer serves {info.identity}; "
                "start `cl2cm serve` with the right model, or import into a new collection"
            )

    return check_model


def _add_error_handlers(app: FastAPI) -> None:
    async def refused(_request: Request, failure: Any) -> Response:
        return _error(failure.status, str(failure))

    async def not_served(request: Request, error: Any) -> Response:
        message = f"{request.method} {request.url.path}: {str(error.detail).lower()}"
        if error.status_code in (404, 405):
            message += f"; this vectorizer answers {_served(CONTRACTS)}"
        return _error(error.status_code, message, error.headers)

    async def invalid(_request: Request, _error_: Exception) -> Response:
        return _error(InvalidRequestError.status, "the request is not what this path takes")

    async def broken(_request: Request, _error_: Exception) -> Response:
        return _error(500, "internal error; the vectorizer's log says why")

    app.add_exception_handler(RequestError, refused)
    app.add_exception_handler(HTTPException, not_served)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, broken)


def _served(contracts: Sequence[Contract]) -> str:
    posts = ", ".join(f"POST {contract.path}" for contract in contracts)
    return f"{posts}, GET /meta, GET /.well-known/ready and GET /.well-known/live"


def _error(status: int, message: str, headers: Any = None) -> Response:
    return Response(orjson.dumps({"error": message}), status, headers, media_type="application/json")


class _SingleSlashes:
    """Forgives an address that ends in a slash: Weaviate puts ``/vectorize`` behind it as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "//" in scope.get("path", ""):
            scope = {**scope, "path": re.sub("/{2,}", "/", scope["path"])}
        await self._app(scope, receive, send)
