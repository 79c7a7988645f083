"""What pruning and shared networks save, and what Ray costs.

Search: the same space with Optuna's TPE, ASHA and shared cross-lingual networks, and at random, without pruning, every
trial with a network of its own; compared, for several seeds, by the seconds of trials until the best of the random one
is reached.
Simulated: the same many times over, with as many trials as the space says, on a model made from those of the search.
Overhead: one recipe by plain Lightning, by a Ray Train run of one worker, and of two.

Search and overhead are resumable: what is in the folder is not done again.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console

# This file has the name of the package that it measures, which comes first from here on.
sys.path.append(sys.path.pop(0))

from tuning_parts import overhead, rivals, simulated

from tuning.search_folder import from_everywhere

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


def main() -> None:
    """Run the parts asked for, and print their tables."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    data = from_everywhere(options.data)
    console = Console(stderr=True)
    if "search" in options.parts:
        rivals.compare(options.space, data, options.trials, options.seeds, options.out.absolute(), console)
    if "simulated" in options.parts:
        simulated.compare(options.space, options.out, console)
    if "overhead" in options.parts:
        overhead.compare(options.recipe, data, options.out.absolute(), console)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="openmoji", help="a folder of captioned media, or openmoji (default)")
    parts = ["search", "simulated", "overhead"]
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--space", default="cl2cm", help="the space of the search (default: cl2cm)")
    parser.add_argument("--recipe", default="openmoji", help="the recipe of the overhead (default: openmoji)")
    parser.add_argument(
        "--trials", type=int, default=24, help="of each real search (default: 24); a simulated one has the space's"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the searches (default: 0 1 2)")
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=Path("build") / "benchmarks" / "tuning")
    return parser.parse_args()


if __name__ == "__main__":
    main()
