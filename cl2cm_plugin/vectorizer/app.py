"""The HTTP service: health, what is served, and the contracts, each behind every prefix that an address may have."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends, FastAPI

from cl2cm_plugin.vectorizer.error_answers import add_error_answers
from cl2cm_plugin.vectorizer.health import add_health, add_meta, check_contract
from cl2cm_plugin.vectorizer.prefixes import prefixes
from cl2cm_plugin.vectorizer.routes import add_contracts
from cl2cm_plugin.vectorizer.service import Vectorizer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from cl2cm_plugin.encoder.model_info import ModelInfo
    from cl2cm_plugin.vectorizer.engines import Engine
    from cl2cm_plugin.vectorizer.settings import Settings


def create_app(load_engine: Callable[[], Engine], info: ModelInfo, settings: Settings) -> FastAPI:
    """Make the service.

    Args:
        load_engine: Makes the engine; called in the background once the service runs.
        info: What the model folder says of itself.
        settings: Limits and batching.

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
    contracts, others, facts = APIRouter(), APIRouter(), APIRouter()
    add_contracts(contracts, others, vectorizer, settings)
    add_health(facts, vectorizer)
    add_meta(facts, vectorizer)
    others.include_router(facts)
    # Modules that know one address only ask there for readiness too.
    others.include_router(facts, prefix="/c/{contract}", dependencies=[Depends(check_contract)])
    # Routes are tried in this order, so the busiest come first.
    for router in (contracts, others):
        for prefix, checks in prefixes(info):
            app.include_router(router, prefix=prefix, dependencies=checks)
    add_error_answers(app)
    return app


class _SingleSlashes:
    """Forgives an address that ends in a slash: Weaviate puts ``/vectorize`` behind it as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "//" in scope.get("path", ""):
            scope = {**scope, "path": re.sub("/{2,}", "/", scope["path"])}
        await self._app(scope, receive, send)
