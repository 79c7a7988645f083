from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cl2cm_plugin.errors import UserError
from trainer.evaluation.picture_hits import PictureHits
from trainer.evaluation.retrieval import Ranks
from trainer.evaluation.significance import RECALLS, SUM_R, Interval, compare

PICTURES, CAPTIONS = 120, 3


def run_of(share: float, seed: int, pictures: int = PICTURES) -> Ranks:
    """Ranks of a system of which each picture, with all its captions, is found at once with a probability."""
    random = np.random.default_rng(seed)
    found = random.random(pictures) < share
    owner = np.arange(pictures).repeat(CAPTIONS)
    return Ranks(np.where(found[owner], 1, 50), np.where(found, 1, 50), owner, pictures)


def hits_of(share: float, seed: int, pictures: int = PICTURES) -> PictureHits:
    return PictureHits.of(run_of(share, seed, pictures))


def test_a_system_does_not_differ_from_itself():
    hits = hits_of(0.5, 0)

    assert compare([hits], [hits]) == Interval(0, 0, 0)
    assert compare([hits, hits_of(0.4, 1)], [hits_of(0.4, 1), hits]) == Interval(0, 0, 0)


@pytest.mark.parametrize("figure", RECALLS)
def test_the_difference_is_that_of_the_published_figures(figure):
    a, b = run_of(0.6, 0), run_of(0.4, 1)
    direction, _, k = figure.rpartition("_")
    published = [getattr(getattr(ranks.figures, direction), k) for ranks in (a, b)]

    compared = compare([PictureHits.of(a)], [PictureHits.of(b)], figure, resamples=50)

    assert compared.difference == pytest.approx(published[0] - published[1])
    assert compared.low <= compared.difference <= compared.high


def test_several_seeds_count_as_their_mean():
    runs = [run_of(share, seed) for seed, share in enumerate((0.6, 0.7, 0.4))]
    a, b = [PictureHits.of(ranks) for ranks in runs[:2]], [PictureHits.of(runs[2])]
    expected = (runs[0].figures.sum_r + runs[1].figures.sum_r) / 2 - runs[2].figures.sum_r

    assert compare(a, b, SUM_R, resamples=50).difference == pytest.approx(expected)


def test_a_system_that_is_better_by_far_has_an_interval_off_zero_on_its_own_side():
    better, worse = [hits_of(0.9, 0)], [hits_of(0.3, 1)]

    assert compare(better, worse).low > 0
    assert compare(worse, better).high < 0


def test_the_interval_agrees_with_theory():
    # Every query of a picture is answered or not: the difference is 600 times a mean of independent values.
    a, b = hits_of(0.6, 3, 2000), hits_of(0.4, 4, 2000)
    values = 600 * (a.image_hits[:, 0].astype(float) - b.image_hits[:, 0])
    error = values.std() / np.sqrt(len(values))

    compared = compare([a], [b])

    assert compared.low == pytest.approx(values.mean() - 1.96 * error, abs=0.2 * error)
    assert compared.high == pytest.approx(values.mean() + 1.96 * error, abs=0.2 * error)


def test_captions_of_one_picture_are_drawn_together():
    # As independent queries, three captions a picture would make the interval narrower by the root of three.
    a, b = run_of(0.6, 3), run_of(0.4, 4)
    together = compare([PictureHits.of(a)], [PictureHits.of(b)], "text_to_image_r1")
    single = compare([hits_of(0.6, 3)], [hits_of(0.4, 4)], "image_to_text_r1")

    assert together == single


def test_where_two_systems_are_equally_good_about_one_interval_in_twenty_misses_zero():
    trials = 200
    compared = [
        compare([hits_of(0.5, 2 * n)], [hits_of(0.5, 2 * n + 1)], resamples=300, seed=n) for n in range(trials)
    ]
    missed = sum(not one.low <= 0 <= one.high for one in compared)

    assert 2 <= missed <= 22


def test_pictures_without_a_caption_change_nothing():
    a, b = run_of(0.6, 0), run_of(0.4, 1)
    wider = [replace(ranks, gallery=PICTURES + 50) for ranks in (a, b)]

    assert compare([PictureHits.of(wider[0])], [PictureHits.of(wider[1])]) == compare(
        [PictureHits.of(a)], [PictureHits.of(b)]
    )


def test_the_same_seed_draws_the_same():
    a, b = [hits_of(0.6, 0)], [hits_of(0.4, 1)]

    assert compare(a, b, seed=1) == compare(a, b, seed=1)
    assert compare(a, b, seed=1) != compare(a, b, seed=2)


def test_runs_that_were_not_asked_the_same_are_refused():
    hits = hits_of(0.5, 0)
    others = [hits_of(0.5, 0, 119), replace(hits, asked="another split"), replace(hits, queries=hits.queries + 1)]

    for other in others:
        with pytest.raises(UserError, match="not asked the same"):
            compare([hits], [other])
    for a, b in (([], [hits]), ([hits, hits], [])):
        with pytest.raises(UserError, match="at least one run"):
            compare(a, b)
    with pytest.raises(UserError, match=r"no figure 'r1'.*sum_r, text_to_image_r1"):
        compare([hits], [hits], "r1")
