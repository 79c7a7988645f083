"""What is served, and whether vectors can be had: everything that is asked with GET."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response

from cl2cm_plugin.vectorizer.contracts.catalogue import CONTRACTS
from cl2cm_plugin.vectorizer.failures import UnavailableError
from cl2cm_plugin.vectorizer.service import State
from cl2cm_plugin.vectorizer.web.openapi import description
from cl2cm_plugin.vectorizer.web.paths import LIVE, META, METRICS, OPENAPI, READY

if TYPE_CHECKING:
    from collections.abc import Callable

    from cl2cm_plugin.vectorizer.meters import Meters
    from cl2cm_plugin.vectorizer.service import Vectorizer
    from cl2cm_plugin.vectorizer.web.address import Address

METHODS = ("GET", "HEAD")
OPEN = {LIVE, READY}
"""What anyone may ask, since those who watch over processes have no tokens."""
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Facts:
    """Answers by path; none waits for the engine.

    Args:
        meters: What ``/metrics`` reads.
    """

    def __init__(self, meters: Meters) -> None:
        self._meters = meters
        self._openapi: bytes | None = None
        self._answers: dict[str, Callable[[Vectorizer, Address], Response]] = {
            LIVE: _live,
            READY: _ready,
            META: _meta,
            METRICS: self._metrics,
            OPENAPI: self._description,
        }

    def __contains__(self, path: str) -> bool:
        return path in self._answers

    def answer(self, vectorizer: Vectorizer, address: Address) -> Response:
        """Answer a GET.

        Args:
            vectorizer: The one that the address names.
            address: Its path is one of these.

        Returns:
            The answer.

        Raises:
            RequestError: Vectors cannot be had now, or the address asks for dimensions that the model does not have.
        """
        return self._answers[address.path](vectorizer, address)

    def _metrics(self, _vectorizer: Vectorizer, _address: Address) -> Response:
        return Response(self._meters.text(), headers={"Content-Type": _METRICS_TYPE})

    def _description(self, vectorizer: Vectorizer, _address: Address) -> Response:
        if self._openapi is None:
            self._openapi = orjson.dumps(description(vectorizer.info.identity))
        return Response(self._openapi, media_type="application/json")


def _live(_vectorizer: Vectorizer, _address: Address) -> Response:
    return Response(status_code=204)


def _ready(vectorizer: Vectorizer, _address: Address) -> Response:
    if vectorizer.state is not State.READY:
        raise UnavailableError(f"the vectorizer is {vectorizer.state}")
    return Response(status_code=204)


def _meta(vectorizer: Vectorizer, address: Address) -> Response:
    # Weaviate's own readiness waits for this answer: it must cost nothing while the engine is busy.
    info = vectorizer.info
    facts = asdict(info) | {
        "model": info.identity,
        "normalised": True,
        "contracts": {contract.name: contract.path for contract in CONTRACTS},
        "dimensions": address.dimensions_of(info),
        "engine": vectorizer.engine_name,
    }
    return Response(orjson.dumps(facts), media_type="application/json")
