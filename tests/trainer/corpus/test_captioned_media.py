from __future__ import annotations

import pytest

from cl2cm_plugin.errors import UserError
from trainer import corpus


def test_a_folder_comes_back_as_it_was_written(colours):
    read = corpus.read(colours)

    assert (read.name, read.licence, read.attribution) == ("colours", "CC0-1.0", "nobody")
    assert read.languages == ["de", "en"]
    assert read.media_ids() == ["black", "blue", "green", "grey", "pink", "red", "white", "yellow"]
    assert read.media_ids("held-out") == ["pink", "grey"]
    assert read.files()["red"] == str(colours / "media" / "red.png")
    assert read.captions_in("en", ["red"]) == [("red", "a red picture"), ("red", "red")]
    assert read.pairs[0] == {
        "source_language": "en",
        "target_language": "de",
        "source": "a red picture",
        "target": "ein bild in rot",
        "origin": "human",
    }


def test_pictures_alone_with_one_caption_table_are_enough(tmp_path):
    (tmp_path / "media").mkdir()
    (tmp_path / "captions").mkdir()
    (tmp_path / "media" / "a.png").touch()
    (tmp_path / "captions" / "en.tsv").write_text('caption\tmedia_id\nsay "a"\ta\n', encoding="utf-8")

    read = corpus.read(tmp_path)

    assert read.captions_in("en", ["a"]) == [("a", 'say "a"')]
    assert (len(read.pairs), read.splits, read.licence) == (0, {}, "")


def test_media_in_folders_are_named_by_their_path(colours):
    (colours / "media" / "more").mkdir()
    (colours / "media" / "more" / "red.jpg").touch()

    assert "more/red" in corpus.read(colours).media_ids()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("captions/en.tsv", "id\tcaption\nred\tred\n", "lacks the column media_id.*names id, caption"),
        ("captions/en.tsv", "media_id\tcaption\nmauve\tmauve\n", "caption for 'mauve', but media/ holds no file"),
        ("pairs/en-de.tsv", "source\ttranslation\nred\trot\n", "lacks the column target"),
        ("pairs/german.tsv", "source\ttarget\nred\trot\n", "should be named <source>-<target>.tsv"),
        ("splits/train.txt", "red\nmauve\n", r"names 'mauve' \(1 such lines\)"),
        ("corpus.yaml", "name: [", "is not YAML"),
        ("corpus.yaml", "- name", "corpus.yaml has no lines like `name: my archive`."),
    ],
)
def test_a_mistake_is_named_with_its_file(file, content, message, colours):
    (colours / file).write_text(content, encoding="utf-8")

    with pytest.raises(UserError, match=message) as error:
        corpus.read(colours)
    assert str(colours / file) in str(error.value)


def test_unknown_splits_and_languages_are_named_with_those_that_exist(colours):
    read = corpus.read(colours)

    with pytest.raises(UserError, match="no split 'test': found held-out, train"):
        read.media_ids("test")
    with pytest.raises(UserError, match="no captions in 'fr': found de, en"):
        read.captions_in("fr", ["red"])


def test_captions_can_be_restricted_to_their_sources(colours):
    table = "media_id\tsource\tcaption\nred\tpeople\trot\nred\tmachine\troter\nblue\tmachine\tblau\n"
    (colours / "captions" / "de.tsv").write_text(table, encoding="utf-8")
    read = corpus.read(colours)

    assert read.captions_in("de", ["red", "blue"], ["machine"]) == [("red", "roter"), ("blue", "blau")]
    assert read.captions_in("de", ["blue"], ["people"]) == []
    assert read.sourced_captions_in("de", ["red"]) == [("red", "rot", "people"), ("red", "roter", "machine")]
    with pytest.raises(UserError, match="no captions in 'de' from nobody or robots: found machine, people"):
        read.captions_in("de", ["red"], ["nobody", "robots"])
    with pytest.raises(UserError, match="no captions in 'en' from people: found no column source"):
        read.captions_in("en", ["red"], ["people"])


def test_a_folder_can_name_the_source_of_its_parallel_captions(colours):
    assert corpus.read(colours).parallel_source == ""
    (colours / "corpus.yaml").write_text("parallel_source: translated\n", encoding="utf-8")

    assert corpus.read(colours).parallel_source == "translated"


def test_a_corpus_is_named_by_its_folder_even_if_that_is_the_name_of_a_known_one(colours, monkeypatch):
    monkeypatch.chdir(colours.parent)
    colours.rename("openmoji")

    assert corpus.read_corpus("openmoji").name == "colours"


def test_folders_in_no_known_format_are_refused(tmp_path):
    with pytest.raises(UserError, match="There is no folder"):
        corpus.read(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no captioned-media folder"):
        corpus.read(tmp_path)
    (tmp_path / "media").mkdir()
    (tmp_path / "captions").mkdir()
    with pytest.raises(UserError, match="holds no pictures"):
        corpus.read(tmp_path)


def test_a_split_names_media_with_spaces(colours):
    (colours / "media" / "dark red.png").touch()
    (colours / "splits" / "dark.txt").write_text("dark red\nred\n", encoding="utf-8")

    assert corpus.read(colours).media_ids("dark") == ["dark red", "red"]


def test_two_files_of_one_name_are_an_error(colours):
    (colours / "media" / "red.jpg").touch()

    with pytest.raises(UserError, match="red"):
        corpus.read(colours)


def test_pairs_with_an_empty_side_are_left_out(colours):
    (colours / "pairs" / "en-de.tsv").write_text(
        "source\ttarget\nred\trot\ngreen\t\nblue\t  \n\tgelb\n", encoding="utf-8"
    )

    assert [(row["source"], row["target"]) for row in corpus.read(colours).pairs.to_list()] == [("red", "rot")]


def test_a_picture_is_once_in_a_split_however_often_it_is_named(colours):
    (colours / "splits" / "twice.txt").write_text("red\nblue\nred\n", encoding="utf-8")

    assert corpus.read(colours).media_ids("twice") == ["red", "blue"]
