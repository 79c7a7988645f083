"""The routes of the contracts: a body in, vectors out, every refusal in the words of the module that asked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from cl2cm_plugin.vectorizer.contracts.catalogue import FORCED, SHARED
from cl2cm_plugin.vectorizer.contracts.reading import decoded
from cl2cm_plugin.vectorizer.failures import RequestError, UnavailableError
from cl2cm_plugin.vectorizer.prefixes import dimensions_at
from cl2cm_plugin.vectorizer.requests import Bodies, HungUpError, unless_hung_up
from cl2cm_plugin.vectorizer.shaping import checked_dimensions, joined, narrowed

if TYPE_CHECKING:
    from cl2cm_plugin.vectorizer.contracts import Contract
    from cl2cm_plugin.vectorizer.contracts.catalogue import Endpoint
    from cl2cm_plugin.vectorizer.service import Vectorizer
    from cl2cm_plugin.vectorizer.settings import Settings

_HUNG_UP_STATUS = 499


def add_contracts(shared: APIRouter, forced: APIRouter, vectorizer: Vectorizer, settings: Settings) -> None:
    """Add a route for every path of a contract, and one for every contract alone, which forces it.

    Args:
        shared: Where the first go.
        forced: Where the second go.
        vectorizer: What computes the vectors.
        settings: The limits.
    """
    bodies = Bodies(settings.max_body_bytes, settings.max_held_bytes)
    for router, endpoints in ((shared, SHARED), (forced, FORCED)):
        for endpoint in endpoints:
            _add(router, endpoint, vectorizer, bodies, settings)


def _add(router: APIRouter, endpoint: Endpoint, vectorizer: Vectorizer, bodies: Bodies, settings: Settings) -> None:
    # FastAPI would refuse a body without a Content-Type, which most of Weaviate's modules send; hence the raw request.
    async def vectorize(request: Request) -> Response:
        """Turn what is posted into vectors."""
        contract = endpoint.usual
        failure: RequestError
        try:
            async with asyncio.timeout(settings.request_timeout), bodies.read(request) as body:
                sent = decoded(body, contract.takes)
                contract = endpoint.contract_of(sent)
                most = dimensions_at(request, vectorizer.info)
                answer = await unless_hung_up(request, _answer(contract, sent, most, vectorizer, settings))
                return Response(answer, media_type="application/json")
        except TimeoutError:
            failure = UnavailableError(f"no answer within {settings.request_timeout:g} s, retry")
        except RequestError as error:
            failure = error
        except (HungUpError, ClientDisconnect):
            return Response(status_code=_HUNG_UP_STATUS)
        return Response(contract.failure(str(failure), failure.status), failure.status, media_type="application/json")

    name = " or ".join(contract.name for contract in endpoint.contracts)
    body = {"requestBody": {"required": True, "content": {"application/json": {"schema": endpoint.schema}}}}
    router.add_api_route(endpoint.path, vectorize, methods=["POST"], name=name, openapi_extra=body)


async def _answer(
    contract: Contract, request: dict[str, Any], most: int, vectorizer: Vectorizer, settings: Settings
) -> bytes:
    asked = contract.parse(request, settings)
    dimensions = most if asked.dimensions is None else checked_dimensions(asked.dimensions, most)
    vectors = await vectorizer.vectors(asked.items)
    if asked.sizes is not None:
        vectors = joined(vectors, asked.sizes)
    return contract.answer(request, narrowed(vectors, dimensions), vectorizer.info.identity)
