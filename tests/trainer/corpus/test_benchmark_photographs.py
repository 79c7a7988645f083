from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import pytest

from cl2cm_plugin.errors import UserError
from trainer import corpus
from trainer.corpus.training_data import assemble

REAL = Path(__file__).parents[4] / "shared" / "data" / "multi30k-flickr8k"
HEADER = "image_id\tsource\tcaption\n"


@pytest.fixture
def photographs(tmp_path) -> Path:
    for name in ("images", "captions", "captions-mt", "splits", "text"):
        (tmp_path / name).mkdir()
    tables = {
        "images.tsv": "image_id\tflickr8k_file\tsplit\tmulti30k_split\tflickr8k_split\n"
        "1\ta.jpg\ttrain\ttrain\ttrain\n2\tb.jpg\ttrain\t-\ttrain\n3\tc.jpg\tval\tval\t-\n",
        "captions/train.en.tsv": HEADER + "1\tm30k-parallel\tA dog.\n1\tf8k\tA brown dog.\n2\tf8k\tA cat.\n",
        "captions/train.de.tsv": HEADER + "1\tm30k-parallel\tEin Hund.\n1\tm30k-described\tGIFT im Gras.\n",
        "captions/train.zh.tsv": HEADER + "2\tf8kcn\t\u732b\u3002\n",
        "captions/val.en.tsv": HEADER + "3\tm30k-parallel\tA bird.\n",
        "captions/val.de.tsv": HEADER + "3\tm30k-parallel\tEin Vogel.\n",
        "captions-mt/train.fr.tsv": "image_id\tsource_en\tcaption\n2\tA cat.\tUn chat.\n",
        "splits/train.txt": "1\n2\n",
        "splits/val.txt": "3\n",
    }
    for name, content in tables.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    with gzip.open(tmp_path / "text" / "parallel-train.tsv.gz", "wt", encoding="utf-8") as stream:
        stream.write('image_id\ten\tde\tfr\n9\tA "boat".\tEin Boot.\t\n1\tA dog.\tEin Hund.\tUn chien.\n')
    return tmp_path


def test_captions_keep_who_wrote_them(photographs):
    read = corpus.read(photographs)

    assert read.media_ids("train") == ["1", "2"]
    assert read.languages == ["de", "en", "zh"]
    assert read.captions_in("de", ["1", "3"]) == [("1", "Ein Hund."), ("1", "GIFT im Gras."), ("3", "Ein Vogel.")]
    assert set(read.captions["source"]) == {"m30k-parallel", "m30k-described", "f8k", "f8kcn"}
    assert read.captions_in("en", ["1"], [read.parallel_source]) == [("1", "A dog.")]
    assert "non-commercial" in read.licence


def test_pairs_are_parallel_rows_of_training_pictures_parallel_text_and_machine_translations(photographs):
    pairs = {tuple(row.values()) for row in corpus.read(photographs).pairs}

    assert pairs == {
        ("en", "de", "A dog.", "Ein Hund.", "human"),
        ("en", "fr", "A dog.", "Un chien.", "human"),
        ("en", "de", 'A "boat".', "Ein Boot.", "human"),
        ("en", "fr", "A cat.", "Un chat.", "mt"),
        ("en", "en", "A dog.", "A brown dog.", "same-picture"),
        ("en", "en", "A brown dog.", "A dog.", "same-picture"),
        ("en", "zh", "A cat.", "\u732b\u3002", "weak"),
    }


def test_weak_pairs_teach_stage_1_alone_and_only_where_they_are_asked_for(photographs):
    read = corpus.read(photographs)
    data = assemble(read, "en", ["fr", "zh"], "train", ["human", "weak"])

    assert ("A cat.", "\u732b\u3002") in {(row.source, row.target) for row in data.sentence_pairs}
    assert not [row for row in data.captioned_pictures if row.target == "\u732b\u3002"]
    with pytest.raises(UserError, match="en-zh of the origins weak alone, and the recipe takes all but weak"):
        assemble(read, "en", ["zh"], "train")


def test_captions_of_one_picture_are_pairs_where_they_are_asked_for(photographs):
    read = corpus.read(photographs)

    without, having = (assemble(read, "en", ["de"], "train", same_picture=wanted) for wanted in (False, True))
    extra = {(row.source, row.target) for row in having.sentence_pairs}
    extra -= {(row.source, row.target) for row in without.sentence_pairs}
    assert extra == {("A dog.", "A brown dog."), ("A brown dog.", "A dog.")}
    assert having.captioned_pictures == without.captioned_pictures


def test_descriptions_written_from_the_pictures_never_train(photographs):
    data = assemble(corpus.read(photographs), "en", ["de", "fr"], "train")

    assert not [text for text in data.texts if "GIFT" in text or "Vogel" in text]
    assert {(row.source, row.target) for row in data.captioned_pictures} == {
        ("A dog.", "Ein Hund."),
        ("A dog.", "Un chien."),
        ("A cat.", "Un chat."),
    }


@pytest.fixture(scope="module")
def real() -> corpus.CaptionedMedia:
    if not REAL.is_dir():
        pytest.skip("the benchmark photographs are not here")
    return corpus.read(REAL)


def test_the_real_photographs_have_the_documented_counts(real):
    assert {name: len(real.splits[name]) for name in ("train", "val", "train-6lang", "val-6lang")} == {
        "train": 5731,
        "val": 1147,
        "train-6lang": 5255,
        "val-6lang": 1081,
    }
    split_of = {media_id: split for split in ("train", "val") for media_id in real.splits[split]}
    rows = zip(real.captions["language"][:], real.captions["media_id"][:], strict=True)
    found = Counter((language, split_of[media_id]) for language, media_id in rows)
    counts = {language: (found[language, "train"], found[language, "val"]) for language in ("en", "de", "fr", "cs")}
    assert counts == {"en": (28638, 5734), "de": (31407, 6466), "fr": (5255, 1081), "cs": (5255, 1081)}


def test_no_sentence_that_only_validation_knows_is_in_the_real_pairs(real):
    train, val = (set(real.splits[name]) for name in ("train", "val"))
    columns = [real.captions[name][:] for name in ("media_id", "caption")]
    of_train = {caption for media_id, caption in zip(*columns, strict=True) if media_id in train}
    only_val = {caption for media_id, caption in zip(*columns, strict=True) if media_id in val} - of_train
    columns = [real.pairs[name][:] for name in ("source", "target")]

    shared = {text for column in columns for text in column} & only_val
    # Short sentences that several people wrote independently are no leak.
    assert all(len(text.split()) < 12 for text in shared)
    assert len(shared) < 0.005 * len(only_val)
