"""One exchange over a contract: a body in, vectors out, every refusal in the words of the module that asked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from cl2cm_plugin.vectorizer.contracts.reading import decoded
from cl2cm_plugin.vectorizer.failures import RequestError, UnavailableError
from cl2cm_plugin.vectorizer.shaping import checked_dimensions, joined, narrowed
from cl2cm_plugin.vectorizer.web.answers import Answer
from cl2cm_plugin.vectorizer.web.bodies import HungUpError, unless_hung_up
from cl2cm_plugin.vectorizer.web.refusals import worded

if TYPE_CHECKING:
    from starlette.requests import Request

    from cl2cm_plugin.vectorizer.contracts import Contract
    from cl2cm_plugin.vectorizer.contracts.catalogue import Endpoint
    from cl2cm_plugin.vectorizer.service import Vectorizer
    from cl2cm_plugin.vectorizer.settings import Settings
    from cl2cm_plugin.vectorizer.web.bodies import Bodies

_HUNG_UP_STATUS = 499


async def exchange(
    request: Request, endpoint: Endpoint, vectorizer: Vectorizer, dimensions: int, bodies: Bodies, settings: Settings
) -> Answer:
    """Answer a request to a contract.

    Args:
        request: The request, its body not read yet.
        endpoint: The contracts at its path.
        vectorizer: What computes the vectors.
        dimensions: How long they may be at its address.
        bodies: What reads bodies.
        settings: The limits.

    Returns:
        Vectors, or a refusal.
    """
    contract = endpoint.usual
    failure: Exception
    try:
        async with asyncio.timeout(settings.request_timeout), bodies.read(request) as body:
            sent = decoded(body, contract.takes)
            contract = endpoint.contract_of(sent)
            vectors = await unless_hung_up(request, _vectors(contract, sent, dimensions, vectorizer, settings))
            return Answer(Response(vectors, media_type="application/json"), contract.name)
    except TimeoutError:
        failure = UnavailableError(f"no answer within {settings.request_timeout:g} s, retry")
    except RequestError as refused:
        failure = refused
    except (HungUpError, ClientDisconnect):
        return Answer(Response(status_code=_HUNG_UP_STATUS), contract.name, HungUpError("hung up"))
    except Exception as fault:  # noqa: BLE001 - the log gets it, the caller a sentence
        failure = fault
    message, status = worded(failure)
    response = Response(contract.failure(message, status), status, media_type="application/json")
    return Answer(response, contract.name, failure)


async def _vectors(
    contract: Contract, request: dict[str, Any], most: int, vectorizer: Vectorizer, settings: Settings
) -> bytes:
    asked = contract.parse(request, settings)
    dimensions = most if asked.dimensions is None else checked_dimensions(asked.dimensions, most)
    vectors = await vectorizer.vectors(asked.items)
    if asked.sizes is not None:
        vectors = joined(vectors, asked.sizes)
    return contract.answer(request, narrowed(vectors, dimensions), vectorizer.info.identity)
