from __future__ import annotations

import pytest

from cl2cm_plugin.errors import UserError
from trainer.evaluation import report
from trainer.evaluation.measurement import measure_split


def test_ranks_by_hand(measure):
    # "ant-b" and "sun-b" find `bee` first; their own picture comes second and third.
    english = measure(["en"])["en"].all

    assert english.captions == ["ant-a", "ant-b and more words", "bee-b", "sun-b"]
    assert english.ranks.text_to_image.tolist() == [1, 2, 1, 3]
    assert english.figures.text_to_image.r1 == 50


def test_parallel_captions_are_counted_again_alone_in_both_directions(measure):
    english = measure(["en"])["en"]

    assert english.differ
    assert english.parallel.captions == ["ant-a", "bee-b"]
    assert english.parallel.figures.text_to_image.queries == 2
    # The gallery stays whole: three pictures; a picture without a parallel caption asks nothing.
    assert english.parallel.figures.text_to_image.gallery == 3
    assert english.parallel.figures.image_to_text.queries == 2
    assert english.parallel.figures.image_to_text.gallery == 2
    assert english.parallel.figures.sum_r == 600
    assert english.all.figures.sum_r < 600


def test_a_language_whose_captions_are_all_parallel_is_measured_once_and_one_without_has_none(measure):
    results = measure(["de", "zh"])

    assert results["de"].parallel is results["de"].all
    assert results["zh"].parallel is None
    assert not results["de"].differ
    assert not results["zh"].differ


def test_a_corpus_that_names_no_parallel_source_has_no_parallel_captions(toy_corpus, measure):
    object.__setattr__(toy_corpus, "parallel_source", "")

    # Not even those whose source is empty, too.
    assert all(result.parallel is None for result in measure(["en", "zh"]).values())


def test_queries_can_be_restricted_to_sources_while_the_gallery_stays_whole(measure):
    english = measure(["en"], "all", ["people"])["en"]

    assert english.all.captions == ["ant-b and more words", "sun-b"]
    assert english.all.figures.text_to_image.gallery == 3
    assert english.parallel is None


def test_the_gallery_is_the_split_in_its_order(measure):
    assert measure(["en"], "all")["en"].all.media_ids == ["sun", "bee", "ant"]
    assert measure(["en"], "animals")["en"].all.ranks.text_to_image.tolist() == [1, 2, 1]


def test_hits_name_what_was_asked(measure):
    def asked(*arguments):
        return measure(["en"], *arguments)["en"].all.hits.asked

    assert asked("all") == asked("all")
    assert len({asked("all"), asked(None), asked("animals"), asked("all", ["people"])}) == 4


def test_a_mistake_is_found_before_anything_is_encoded(toy_corpus):
    def no_encoder(_):
        raise AssertionError("encoded")

    for split, language, sources, message in (
        ("sea", "en", (), "no split 'sea'"),
        (None, "fr", (), "no captions in 'fr'"),
        (None, "de", ["people"], "no captions in 'de' from people: found parallel"),
        ("sky", "de", (), "Nothing to evaluate in 'de'.*split 'sky'"),
    ):
        with pytest.raises(UserError, match=message):
            measure_split(toy_corpus, split, [language], no_encoder, no_encoder, sources)


def test_the_table_has_a_row_for_parallel_captions_only_where_they_differ(measure):
    rows = report.labelled(measure(["en", "de", "zh"]))

    assert list(rows) == ["en", "en (parallel)", "de", "zh"]
    assert "| en (parallel) | 100.0 |" in report.markdown(rows)


def test_a_note_says_where_all_or_none_of_the_captions_are_parallel(measure):
    note = report.note(measure(["en", "de", "zh"]))

    assert "All captions are parallel in de." in note
    assert "None is in zh." in note
    assert report.note(measure(["de", "zh"])) == ""


def test_the_figures_of_a_split_are_those_of_all_captions(toy_corpus, toy_encoders, measure):
    figures = report.evaluate_split(toy_corpus, "all", ["en", "de"], *toy_encoders)

    assert figures == {language: result.all.figures for language, result in measure(["en", "de"], "all").items()}
