"""What training costs: against a plain loop with the same result, by objective, and how it grows.

The sides of a comparison take one step each in turn, round after round, and ratios are taken within a round: what else
the machine does at that time slows all of them. A step is losses, gradients, clipping and AdamW, in single precision;
beside the plain loop also in bfloat16, where the hardware multiplies in it.
"""

from __future__ import annotations

import argparse
import os
import tempfile

import torch
from training_parts import growth, objectives
from training_parts.bench import CLOCKS, DEVICE, Bench
from training_parts.plain_loop import against_plain_loop

from cl2cm_plugin.allocator import restart_with_fast_allocator
from cl2cm_plugin.encoder import two_tower
from trainer import fit, recipe
from trainer.console import quiet_libraries
from trainer.corpus import read_corpus


def main() -> None:
    """Print every table."""
    restart_with_fast_allocator()
    quiet_libraries()
    options = _options()
    if options.threads:
        torch.set_num_threads(options.threads)
    changes = {"target_languages": [options.target], "origins": [], "dev_pictures": 0}
    # A copy: early stopping, which nothing here uses, would insist on a dev cut.
    chosen = recipe.load("photos").model_copy(update=changes)
    corpus = read_corpus(options.data)
    data = fit.training_data(chosen, corpus)
    torch.manual_seed(0)
    model = two_tower.build(*fit.towers(chosen, data), chosen.model.dimensions, chosen.model.max_tokens)
    print(
        f"{corpus.name}: {len(data.sentence_pairs):,} sentence pairs en-{options.target}; {chosen.model.text}, upper "
        f"{chosen.model.trained_layers} layers trained; {DEVICE.type}, {torch.get_num_threads()} threads, "
        f"{options.clock} clock"
    )
    # Only now, since backbones lie in the cache as well: the states of this run must not be known already.
    with tempfile.TemporaryDirectory() as cache:
        os.environ["CL2CM_CACHE"] = cache
        bench = Bench(chosen, corpus, data, model, options.seconds, CLOCKS[options.clock])
        seconds_a_sentence = against_plain_loop(bench)
        objectives.stage_1(bench)
        objectives.stage_2(bench)
        growth.pictures(bench)
        growth.languages(bench, seconds_a_sentence)
        growth.batch_size(bench)
        growth.length_sorting(bench)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="openmoji", help="a folder of captioned media")
    parser.add_argument("--target", default="de", help="target language (default: de)")
    parser.add_argument("--seconds", type=float, default=25, help="about how long each of the seven comparisons takes")
    parser.add_argument("--threads", type=int, help="threads of torch (default: torch's own)")
    parser.add_argument(
        "--clock",
        choices=CLOCKS,
        default="wall",
        help="cpu: time of this process alone, which a busy machine disturbs less; with --threads 1, without a GPU",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
