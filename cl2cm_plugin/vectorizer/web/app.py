"""The HTTP service: finds out what a request asks of which model, and counts and logs how it was answered."""

from __future__ import annotations

import contextlib
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request

from cl2cm_plugin.vectorizer.contracts.catalogue import ALONE, endpoint_at
from cl2cm_plugin.vectorizer.meters import Meters
from cl2cm_plugin.vectorizer.models import Models
from cl2cm_plugin.vectorizer.web import facts, request_log
from cl2cm_plugin.vectorizer.web.access import Access
from cl2cm_plugin.vectorizer.web.address import Address, address_of
from cl2cm_plugin.vectorizer.web.answers import Answer
from cl2cm_plugin.vectorizer.web.bodies import Bodies
from cl2cm_plugin.vectorizer.web.exchange import exchange
from cl2cm_plugin.vectorizer.web.facts import Facts
from cl2cm_plugin.vectorizer.web.refusals import not_found, not_with, refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from starlette.types import Receive, Scope, Send

    from cl2cm_plugin.encoder.model_info import ModelInfo
    from cl2cm_plugin.vectorizer.engines import Engine
    from cl2cm_plugin.vectorizer.settings import Settings


def create_app(
    served: Sequence[tuple[ModelInfo, Callable[[], Engine]]],
    settings: Settings,
    on_failure: Callable[[], None] = lambda: None,
) -> Starlette:
    """Make the service.

    Args:
        served: For each model what its folder says of it, and what makes its engine, in the background once the
            service runs; the first is used where an address names none.
        settings: Limits and batching.
        on_failure: Called when a model could not be loaded.

    Returns:
        The ASGI application; its ``state.models`` are the `Models` behind it.
    """
    meters = Meters()
    models = Models(served, settings, meters)
    meters.watch(models.waiting, models.ready)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        models.start(on_failure)
        try:
            yield
        finally:
            await models.close()

    app = Starlette(lifespan=lifespan)
    app.router.default = _Service(models, settings, meters)
    app.state.models = models
    return app


class _Service:
    """Answers every request, whatever it is."""

    def __init__(self, models: Models, settings: Settings, meters: Meters) -> None:
        self._models = models
        self._settings = settings
        self._meters = meters
        self._facts = Facts(meters)
        self._access = Access(settings.token)
        self._bodies = Bodies(settings.max_body_bytes, settings.max_held_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # Nobody listens here in another protocol.
            return
        start = time.monotonic()
        request = Request(scope, receive)
        request_id = request_log.begin(request)
        answer = await self._answer(request)
        answer.response.headers[request_log.REQUEST_ID] = request_id
        # A caller who has sent several requests and hung up leaves a transport that nothing can be written to.
        with contextlib.suppress(RuntimeError):
            await answer.response(scope, receive, send)
        seconds = time.monotonic() - start
        self._meters.answered(answer.contract, answer.response.status_code, seconds)
        if answer.failure is not None:
            self._meters.refused(getattr(answer.failure, "reason", "failed"))
            request_log.refused(request, answer, seconds)

    async def _answer(self, request: Request) -> Answer:
        address = address_of(request.scope["path"])
        try:
            if address.path not in facts.OPEN:
                self._access.check(request.headers.get("authorization"))
            return await self._answer_at(address, request)
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is answered; the log gets what is our fault
            answer = refusal(address, failure)
            # Who watches over the process asks again and again: not to be ready yet is nothing to log.
            return Answer(answer.response) if address.path in facts.OPEN else answer

    async def _answer_at(self, address: Address, request: Request) -> Answer:
        path, method = request.scope["path"], request.method
        if address.contract is not None and address.contract not in ALONE:
            raise not_found(method, path)
        endpoint = endpoint_at(address.path, address.contract)
        if endpoint is None and address.path not in self._facts:
            raise not_found(method, path)
        vectorizer = self._models.of(address.model)
        dimensions = address.dimensions_of(vectorizer.info)
        if endpoint is None:
            if method not in facts.METHODS:
                raise not_with(method, path, facts.METHODS)
            return Answer(self._facts.answer(vectorizer, address))
        if method != "POST":
            raise not_with(method, path, ("POST",))
        return await exchange(request, endpoint, vectorizer, dimensions, self._bodies, self._settings)
