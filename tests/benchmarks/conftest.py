"""Where benchmarks keep their parts."""

from __future__ import annotations

import sys
from pathlib import Path

# At the end: a benchmark may have the name of the package that it measures.
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
