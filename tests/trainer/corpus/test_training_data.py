from __future__ import annotations

import pytest

from cl2cm_plugin.errors import UserError
from trainer import corpus
from trainer.corpus.training_data import assemble

POISON = "GIFT"


def test_a_translation_is_found_by_the_text_of_the_caption(colours):
    data = assemble(corpus.read(colours), "en", ["de"], "train")

    rows = {(row.source, row.target) for row in data.captioned_pictures}
    assert ("a red picture", "ein bild in rot") in rows
    assert ("red", "rot") in rows
    assert len(rows) == 12
    assert all(row.file.endswith(f"{row.source.split()[-2:][0]}.png") for row in data.captioned_pictures)


def test_no_target_caption_is_ever_used(colours):
    read = corpus.read(colours)
    assert all(POISON in caption for _, caption in read.captions_in("de", read.media_ids()))

    data = assemble(read, "en", ["de"], "train")

    assert not [text for text in data.texts if POISON in text]


def test_stage_one_also_sees_sentences_without_a_picture(colours):
    data = assemble(corpus.read(colours), "en", ["de"], "train")

    assert ("nobody drew this", "das hat niemand gemalt") in {(row.source, row.target) for row in data.sentence_pairs}
    assert "nobody drew this" not in {row.source for row in data.captioned_pictures}


def test_held_out_pictures_stay_out(colours):
    (colours / "pairs" / "en-de.tsv").write_text("source\ttarget\nred\trot\npink\trosa\n", encoding="utf-8")
    data = assemble(corpus.read(colours), "en", ["de"], "train")

    assert {row.source for row in data.captioned_pictures} == {"red"}


def test_groups_number_pictures_and_source_sentences(colours):
    (colours / "pairs" / "en-fr.tsv").write_text("source\ttarget\nred\trouge\n", encoding="utf-8")
    data = assemble(corpus.read(colours), "en", ["de", "fr"], "train")

    by_file = {
        row.file: {other.group for other in data.captioned_pictures if other.file == row.file}
        for row in data.captioned_pictures
    }
    assert all(len(groups) == 1 for groups in by_file.values())
    assert len({min(groups) for groups in by_file.values()}) == 6
    assert len({row.group for row in data.sentence_pairs if row.source == "red"}) == 1
    assert {row.target for row in data.captioned_pictures if row.source == "red"} == {"rot", "rouge"}


def test_origins_choose_the_sentence_pairs(colours):
    data = assemble(corpus.read(colours), "en", ["de"], "train", origins=["mt"])

    assert {row.target for row in data.sentence_pairs} == {"rot", "gruen", "blau", "weiss", "schwarz", "gelb"}


def test_texts_are_listed_once(colours):
    texts = assemble(corpus.read(colours), "en", ["de"], "train").texts

    assert len(texts) == len(set(texts)) == 26


@pytest.mark.parametrize(
    ("languages", "split", "origins", "message"),
    [
        (["fr"], "train", [], "no sentence pairs en-fr.*pairs/en-fr.tsv"),
        (["de"], "train", ["nobody"], "no sentence pairs en-de"),
        (["de"], "held-out", [], "None of the en captions of the split 'held-out'"),
        (["de"], "dev", [], "no split 'dev'"),
    ],
)
def test_what_is_missing_is_named(languages, split, origins, message, colours):
    with pytest.raises(UserError, match=message):
        assemble(corpus.read(colours), "en", languages, split, origins)
