from __future__ import annotations

from collections import Counter

import pytest

from cl2cm_plugin.errors import UserError
from trainer import corpus
from trainer.corpus.seen_captions import seen_captions
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


def test_fewer_sentences_for_stage_one_are_always_the_same_and_keep_all_their_translations(colours):
    (colours / "pairs" / "en-fr.tsv").write_text("source\ttarget\nred\trouge\nblue\tbleu\n", encoding="utf-8")
    read = corpus.read(colours)
    whole, few, fewer = (assemble(read, "en", ["de", "fr"], "train", sentences=count) for count in (None, 4, 2))

    chosen, less = ({row.source for row in data.sentence_pairs} for data in (few, fewer))
    assert (len(chosen), len(less)) == (4, 2)
    assert less < chosen
    pairs = {(row.source, row.target) for row in whole.sentence_pairs}
    assert {(row.source, row.target) for row in few.sentence_pairs} == {pair for pair in pairs if pair[0] in chosen}
    assert {row.group for row in few.sentence_pairs} == set(range(4))
    assert few.captioned_pictures == whole.captioned_pictures


def test_dev_pictures_are_kept_back_with_their_captions_and_sentences(colours):
    read = corpus.read(colours)
    whole = assemble(read, "en", ["de"], "train")
    data = assemble(read, "en", ["de"], "train", dev_pictures=2)

    assert len(data.dev.files) == 2
    assert not {row.file for row in data.captioned_pictures} & set(data.dev.files)
    kept = {caption for _, caption in data.dev.captions["en"]}
    assert kept
    assert not kept & {row.source for row in data.sentence_pairs}
    assert {row.file for row in whole.captioned_pictures} == {
        *data.dev.files,
        *(row.file for row in data.captioned_pictures),
    }
    for row, text in data.dev.captions["en"]:
        assert data.dev.files[row].endswith(f"{text.split()[-2:][0]}.png")
    # Translations, never what somebody wrote from the picture.
    assert data.dev.captions["de"]
    assert not [text for _, text in data.dev.captions["de"] if POISON in text]
    assert {target for _, target in data.dev.pairs["de"]} == {text for _, text in data.dev.captions["de"]}
    assert assemble(read, "en", ["de"], "train", dev_pictures=2) == data


def test_captions_without_a_translation_are_listed_where_they_are_asked_for(colours):
    (colours / "pairs" / "en-de.tsv").write_text("source\ttarget\nred\trot\n", encoding="utf-8")
    data = assemble(corpus.read(colours), "en", ["de"], "train", untranslated=True)

    rows = {(row.source, row.target) for row in data.captioned_pictures}
    # The translation takes turns with every caption of its picture.
    assert {row for row in rows if row[1]} == {("red", "rot"), ("a red picture", "rot")}
    assert ("green", None) in rows


def test_captions_and_translations_of_a_picture_come_equally_often(colours):
    (colours / "captions" / "en.tsv").write_text(
        "media_id\tcaption\nred\tred\nred\tcrimson\nred\tscarlet\n", encoding="utf-8"
    )
    (colours / "pairs" / "en-de.tsv").write_text("source\ttarget\nred\trot\nred\tpurpur\n", encoding="utf-8")
    rows = assemble(corpus.read(colours), "en", ["de"], "train", untranslated=True).captioned_pictures

    assert len(rows) == 6
    for side, times in (("source", 2), ("target", 3)):
        assert set(Counter(getattr(row, side) for row in rows).values()) == {times}


def test_without_target_languages_every_caption_is_listed(colours):
    data = assemble(corpus.read(colours), "en", [], "train")

    assert data.sentence_pairs == []
    assert len(data.captioned_pictures) == 12
    assert {row.target for row in data.captioned_pictures} == {None}


def test_the_upper_bound_reads_what_people_wrote_from_the_training_pictures(colours):
    read = corpus.read(colours)
    data = assemble(read, "en", ["de"], "train", supervised=True)

    written = {(row.file, row.target) for row in data.captioned_pictures if row.source is None}
    files = read.files()
    assert written == {(files[owner], text) for owner, text in read.captions_in("de", read.media_ids("train"))}


def test_texts_are_listed_once(colours):
    texts = assemble(corpus.read(colours), "en", ["de"], "train").texts

    assert len(texts) == len(set(texts)) == 26


@pytest.mark.parametrize(
    ("languages", "split", "origins", "message"),
    [
        (["fr"], "train", [], "no sentence pairs en-fr.*pairs/en-fr.tsv"),
        (
            ["de"],
            "train",
            ["mt-apertium"],
            "en-de of the origins human, mt alone, and the recipe takes mt-apertium: ch",
        ),
        (["de"], "held-out", [], "None of the en captions of the split 'held-out'"),
        (["de"], "dev", [], "no split 'dev'"),
    ],
)
def test_what_is_missing_is_named(languages, split, origins, message, colours):
    with pytest.raises(UserError, match=message):
        assemble(corpus.read(colours), "en", languages, split, origins)


def test_a_dev_cut_that_leaves_nothing_to_train_on_is_told(colours):
    with pytest.raises(UserError, match="dev_pictures keeps all 6 pictures of the split 'train'"):
        assemble(corpus.read(colours), "en", ["de"], "train", dev_pictures=6)


def test_captions_of_a_test_split_that_are_learned_from_are_counted(colours):
    with (colours / "pairs" / "en-de.tsv").open("a", encoding="utf-8") as table:
        table.write("a pink picture\tein bild in rosa\tmt\n")
    read = corpus.read(colours)
    data = assemble(read, "en", ["de"], "train")

    assert [seen_captions(read, data, "en", split) for split in ("train", "held-out")] == [0, 1]
    assert seen_captions(read, data, "fr", "held-out") == 0
