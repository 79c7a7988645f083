"""A file that remembers, for what was measured before, what was chosen."""

from __future__ import annotations

import json
import logging
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)


class Choices:
    """The choices made under the same circumstances.

    Args:
        file: Where they are kept, with those of other circumstances; None keeps nothing.
        facts: The circumstances: whatever can be written as JSON.
    """

    def __init__(self, file: Path | None, facts: object) -> None:
        self._file = file
        self._key = sha256(json.dumps(facts).encode()).hexdigest()[:32]

    def known(self) -> dict[str, str]:
        """Return what was chosen; nothing if the file is not there, damaged, or of other circumstances."""
        choice = self._read().get(self._key)
        return choice if isinstance(choice, dict) else {}

    def keep(self, choice: dict[str, str]) -> None:
        """Remember a choice; where the file cannot be written, that is said and nothing else happens."""
        if self._file is None:
            return
        part = self._file.with_suffix(".part")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps({**self._read(), self._key: choice}, indent=1) + "\n", encoding="utf-8")
            part.replace(self._file)
        except OSError as error:
            logger.warning("the choice of engine cannot be remembered (%s): it is measured at every start", error)

    def _read(self) -> dict[str, object]:
        try:
            known = json.loads(self._file.read_text(encoding="utf-8")) if self._file else {}
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}
