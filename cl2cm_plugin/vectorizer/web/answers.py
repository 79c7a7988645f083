"""An answer together with what the meters and the log want to know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.responses import Response

NO_CONTRACT = "none"


@dataclass(frozen=True)
class Answer:
    """An answer.

    Attributes:
        response: What the caller gets.
        contract: The contract that was followed, if one was.
        failure: Why the request was refused, if it was.
    """

    response: Response
    contract: str = NO_CONTRACT
    failure: Exception | None = None
