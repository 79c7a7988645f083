"""The paper on scale: its tables are what the script computes, its numbers what their documents say."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from scaling_parts import costs, document, tables
from scaling_parts import inputs as given
from scaling_parts.ranges import Range, of, shown

from trainer import recipe

ROOT = Path(__file__).parents[2]
PHOTOS = recipe.load("photos")
PAPER = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
PROSE = " ".join(PAPER.split())


def test_the_papers_tables_are_what_the_script_computes():
    assert document.filled(PAPER, tables.all_tables()) == PAPER, (
        "run .venv/bin/python benchmarks/scaling.py --write docs/scaling.md, and read what the text says of them"
    )


def test_the_paper_has_every_table_once():
    assert sorted(document.names(PAPER)) == sorted(tables.all_tables())


@pytest.mark.parametrize("number", given.MEASURED, ids=lambda number: number.name)
def test_a_measured_number_is_what_its_document_says(number):
    text = " ".join((ROOT / "docs" / number.source).read_text(encoding="utf-8").split())

    assert number.said in text, f"docs/{number.source} has changed: correct `{number.name}` in scaling_parts/inputs.py"


@pytest.mark.parametrize(
    ("sentence", "number", "digits"),
    [
        ("71 / 2 / 0.19 = {} pictures", costs.prepared_on_a_core().usual, 3),
        ("16 cores {}.", costs.prepared_on_a_core().usual * 16, 2),
        ("an L4 could compute {} pictures a second", 121e3 * given.BUSY.value.usual / 8.8, 2),
        ("2 x 85 million x 18.5 tokens = {} GFLOP", costs.sentence().usual, 2),
        ("3.1 x (3 x 9 + 3)/12 x 2 = {} GFLOP", costs.stage_one().usual, 2),
        ("3.1 x 2 for what the teacher makes of them = {} GFLOP", costs.stage_two().usual, 2),
        ("runs, with a step of similar size, reached 6 to {} %", costs.published_busy().high * 100, 2),
        (
            "five of stage 2 with the layers: {} core hours for a million",
            costs.stage_one_on_cores(1e6, given.FIRST_PASS).usual
            + (PHOTOS.cross_modal.projections_first.epochs * 2) * costs.projections_on_cores(1e6).usual
            + PHOTOS.cross_modal.optimiser.epochs * costs.layers_on_cores(1e6).usual,
            2,
        ),
        ("266 million x 16 bytes = {} GB", 266e6 * 16 / 1e9, 2),
        ("ln 77 million / ln 10 million = {}.", math.log(1e9 / 13) / math.log(1e7), 3),
    ],
)
def test_a_number_in_the_text_is_what_its_arithmetic_gives(sentence, number, digits):
    assert sentence.format(shown(number, digits)) in PROSE


def test_memory_is_that_of_weaviates_own_example():
    """1 million vectors of 384 dimensions with 64 connections: 1e6 * (1536 B + 64 * 10) = 2.2 GB."""
    assert costs.memory(1e6, 384, "uncompressed").high == pytest.approx(2.176)


@pytest.mark.parametrize(
    ("compression", "dimensions", "size"),
    [("8-bit RQ", 512, 528), ("8-bit RQ", 100, 144), ("1-bit RQ", 512, 72), ("1-bit RQ", 64, 40), ("PQ", 100, 60)],
)
def test_a_compressed_vector_has_the_size_that_weaviate_states(compression, dimensions, size):
    assert costs.vector(dimensions, compression).usual == pytest.approx(size)


def test_nodes_hold_what_is_planned_and_not_more():
    machines = costs.nodes(1e9, 512, "8-bit RQ").usual
    room = given.NODE.value.usual * given.USABLE.value.usual

    assert (machines - 1) * room < costs.planned(1e9, 512, "8-bit RQ").usual <= machines * room


def test_embedding_waits_for_the_slower_of_gpu_and_cores():
    prepared = costs.prepared_on_a_core() * given.BESIDE.value

    assert costs.embedding_rate(given.A100, given.VIT_B).usual == prepared.usual
    assert costs.embedding_rate(given.L4, given.VIT_L).usual < prepared.usual


def test_bounds_are_those_of_the_worst_and_the_best_together():
    some, other = Range(4, 2, 6), Range(2, 1, 3)

    assert some * other == Range(8, 2, 18)
    assert some / other == Range(2, 2 / 3, 6)
    assert some + other == Range(6, 3, 9)
    assert some.at_most(of(5)) == Range(4, 2, 5)
    assert (some / of(4)).whole() == Range(1, 1, 2)


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(1234, 2, "1,200"), (0.0934, 2, "0.093"), (18.5, 4, "18.5"), (105, 0, "105"), (10, 2, "10"), (0.6, 2, "0.6")],
)
def test_numbers_are_written_with_the_digits_that_count(value, digits, text):
    assert shown(value, digits) == text
