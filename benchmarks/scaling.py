"""What 1 million, 100 million and 1 billion media cost to train on, embed and hold in Weaviate: the arithmetic.

Nothing is measured here. The numbers that everything is computed from are in `scaling_parts/inputs.py`, each with its
source: measured here on one machine, published, or assumed. A result's bounds, in brackets, are what the bounds of its
parts give together. With --write the tables are put into the document, which quotes them all.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from scaling_parts import document, tables


def main() -> None:
    """Print every table, or put them into a document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", metavar="FILE.md", type=Path, help="the document, docs/scaling.md")
    options = parser.parse_args()
    if options.write:
        text = options.write.read_text(encoding="utf-8")
        options.write.write_text(document.filled(text, tables.all_tables()), encoding="utf-8")
        return
    for name, table in tables.all_tables().items():
        print(f"{name}\n\n{table}\n")


if __name__ == "__main__":
    main()
