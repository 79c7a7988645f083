"""All contracts, and the paths that some of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cl2cm_plugin.vectorizer.contracts.bind import BindContract
from cl2cm_plugin.vectorizer.contracts.clip import ClipContract
from cl2cm_plugin.vectorizer.contracts.huggingface import HuggingFaceContract
from cl2cm_plugin.vectorizer.contracts.img2vec import Img2VecContract
from cl2cm_plugin.vectorizer.contracts.jinaai import JinaContract
from cl2cm_plugin.vectorizer.contracts.model2vec import Model2VecContract
from cl2cm_plugin.vectorizer.contracts.ollama import OllamaContract
from cl2cm_plugin.vectorizer.contracts.openai import OpenAIContract
from cl2cm_plugin.vectorizer.contracts.transformers import TransformersContract
from cl2cm_plugin.vectorizer.contracts.voyageai import VoyageContract

if TYPE_CHECKING:
    from cl2cm_plugin.vectorizer.contracts import Contract

# On a shared path the first that claims a request gets it, so those that look closely come first.
CONTRACTS: tuple[Contract, ...] = (
    BindContract(),
    ClipContract(),
    Img2VecContract(),
    TransformersContract(),
    Model2VecContract(),
    JinaContract(),
    OpenAIContract(),
    VoyageContract(),
    OllamaContract(),
    HuggingFaceContract(),
)


@dataclass(frozen=True)
class Endpoint:
    """A path, and the contracts that are served there.

    Attributes:
        path: The path, without any prefix.
        contracts: One or more, in the order in which they are asked whether a request is theirs.
    """

    path: str
    contracts: tuple[Contract, ...]

    @property
    def usual(self) -> Contract:
        """The contract of requests that say nothing of themselves."""
        return self.contract_of({})

    def contract_of(self, request: dict[str, Any]) -> Contract:
        """Tell by its keys which contract a request follows."""
        return next((contract for contract in self.contracts if contract.matches(request)), self.contracts[0])

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the requests."""
        schemas = [{"title": contract.name, **contract.schema} for contract in self.contracts]
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}

    def __str__(self) -> str:
        return f"POST {self.path} ({', '.join(contract.name for contract in self.contracts)})"


SHARED = tuple(
    Endpoint(path, tuple(contract for contract in CONTRACTS if contract.path == path))
    for path in dict.fromkeys(contract.path for contract in CONTRACTS)
)
ALONE = {contract.name: Endpoint(contract.path, (contract,)) for contract in CONTRACTS}
"""By a contract's name its path, served by that contract alone."""
_SHARED = {endpoint.path: endpoint for endpoint in SHARED}


def endpoint_at(path: str, contract: str | None = None) -> Endpoint | None:
    """Find what is served at a path.

    Args:
        path: The path, without any prefix.
        contract: Name of the one contract that is wanted there; None for all.

    Returns:
        The endpoint; None if there is none.
    """
    endpoint = _SHARED.get(path) if contract is None else ALONE.get(contract)
    return endpoint if endpoint is not None and endpoint.path == path else None
