"""Tables inside a document: each stands between a comment with its name and a comment that ends it."""

from __future__ import annotations

import re

_BLOCK = re.compile(r"<!-- table: (?P<name>[^>]+) -->\n.*?<!-- end -->", re.DOTALL)


def names(text: str) -> list[str]:
    """Name the tables of a document."""
    return [block["name"] for block in _BLOCK.finditer(text)]


def filled(text: str, tables: dict[str, str]) -> str:
    """Put the tables where the document has their names.

    Args:
        text: The document.
        tables: Each table by its name.

    Raises:
        KeyError: The document names a table that there is not.
    """
    return _BLOCK.sub(
        lambda block: f"<!-- table: {block['name']} -->\n\n{tables[block['name']]}\n\n<!-- end -->", text
    )
