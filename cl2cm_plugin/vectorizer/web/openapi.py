"""The service's description in OpenAPI's form, made of what the contracts say of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cl2cm_plugin.vectorizer.contracts.catalogue import ALONE, SHARED
from cl2cm_plugin.vectorizer.web.paths import LIVE, META, METRICS, OPENAPI, READY

if TYPE_CHECKING:
    from cl2cm_plugin.vectorizer.contracts.catalogue import Endpoint

_PREFIXES = ("", "/m/{model}", "/d/{dimensions}", "/m/{model}/d/{dimensions}")
_PARAMETERS = {
    "model": {"type": "string", "description": "Name or identity of a model; another than the served ones is 409"},
    "dimensions": {"type": "integer", "minimum": 1, "description": "How many of the first dimensions stay"},
}
_JSON = {"application/json": {"schema": {"type": "object"}}}
_FACTS: dict[str, tuple[str, dict[str, Any]]] = {
    LIVE: ("Whether the process answers", {"204": {"description": "It does"}}),
    READY: ("Whether vectors can be had now", {"204": {"description": "They can"}}),
    META: ("What is served", {"200": {"description": "Model, dimensions, languages, engine", "content": _JSON}}),
}
_ENDPOINTS = {endpoint.path: endpoint for endpoint in SHARED} | {
    f"/c/{name}{endpoint.path}": endpoint for name, endpoint in ALONE.items()
}


def description(version: str) -> dict[str, Any]:
    """Describe the service.

    Args:
        version: Identity of the model.

    Returns:
        An OpenAPI 3.1 document.
    """
    paths = {}
    for prefix in _PREFIXES:
        parameters = [
            {"name": name, "in": "path", "required": True, "schema": schema}
            for name, schema in _PARAMETERS.items()
            if f"{{{name}}}" in prefix
        ]
        for path, (summary, responses) in _FACTS.items():
            paths[prefix + path] = {"get": _operation(summary, parameters, responses)}
        for path, endpoint in _ENDPOINTS.items():
            paths[prefix + path] = {"post": _vectorize(endpoint, parameters)}
    facts = {METRICS: "Counters and histograms, for Prometheus", OPENAPI: "This description"}
    paths |= {
        path: {"get": _operation(summary, [], {"200": {"description": "As said"}})} for path, summary in facts.items()
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "cl2cm vectorizer", "version": version},
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
            }
        },
    }


def _vectorize(endpoint: Endpoint, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    names = " or ".join(contract.name for contract in endpoint.contracts)
    # Most contracts answer with an object, one with a list.
    answers = {
        "200": {"description": "Vectors, in the contract's form", "content": {"application/json": {"schema": {}}}}
    }
    # A body without a Content-Type is read too: most of Weaviate's modules send none.
    body = {"required": True, "content": {"application/json": {"schema": endpoint.schema}}}
    return {**_operation(f"Turn what is posted into vectors ({names})", parameters, answers), "requestBody": body}


def _operation(summary: str, parameters: list[dict[str, Any]], responses: dict[str, Any]) -> dict[str, Any]:
    refusals = {"default": {"description": "A refusal: one sentence, in the contract's form", "content": _JSON}}
    return {"summary": summary, "parameters": parameters, "responses": {**responses, **refusals}}
