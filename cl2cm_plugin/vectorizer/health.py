"""Whether vectors can be had, and what is served."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import orjson
from fastapi import APIRouter, HTTPException, Request, Response

from cl2cm_plugin.vectorizer.contracts.catalogue import CONTRACTS
from cl2cm_plugin.vectorizer.failures import UnavailableError
from cl2cm_plugin.vectorizer.prefixes import dimensions_at
from cl2cm_plugin.vectorizer.service import State

if TYPE_CHECKING:
    from cl2cm_plugin.vectorizer.service import Vectorizer


def add_health(router: APIRouter, vectorizer: Vectorizer) -> None:
    """Add ``/.well-known/live`` and ``/.well-known/ready``."""

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


def add_meta(router: APIRouter, vectorizer: Vectorizer) -> None:
    """Add ``/meta``."""
    info = vectorizer.info
    facts = asdict(info) | {
        "model": info.identity,
        "normalised": True,
        "contracts": {contract.name: contract.path for contract in CONTRACTS},
    }

    # Weaviate's own readiness waits for this answer: it must cost nothing while the engine is busy.
    @router.get("/meta")
    @router.head("/meta", include_in_schema=False)
    async def meta(request: Request) -> Response:
        """What is served."""
        here = facts | {"dimensions": dimensions_at(request, info), "engine": vectorizer.engine_name}
        return Response(orjson.dumps(here), media_type="application/json")


async def check_contract(contract: str) -> None:
    """Answer an address with an unknown contract in it as one that does not exist."""
    if contract not in {known.name for known in CONTRACTS}:
        raise HTTPException(404, f"there is no contract {contract}")
