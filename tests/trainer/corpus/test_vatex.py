from __future__ import annotations

import json
from pathlib import Path

import pytest

from cl2cm_plugin.errors import UserError
from trainer import corpus
from trainer.corpus import vatex
from trainer.corpus.training_data import assemble


def entry(clip: str, english: int = 10, chinese: int = 10) -> dict[str, object]:
    return {
        "videoID": clip,
        "enCap": [f"{clip} en {number}" for number in range(english)],
        "chCap": [f"{clip} zh {number}" for number in range(chinese)],
    }


def write(folder: Path, name: str, entries: object) -> None:
    (folder / f"vatex_{name}.json").write_text(json.dumps(entries), encoding="utf-8")


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two clips of training, one of them withdrawn, and one of validation."""
    write(tmp_path, "training_v1.0", [entry("here"), entry("withdrawn")])
    write(tmp_path, "validation_v1.0", [entry("val")])
    (tmp_path / "clips").mkdir()
    for name in ("here.mp4", "val.webm", "unknown.mp4"):
        (tmp_path / "clips" / name).touch()
    return tmp_path


def test_clips_are_found_by_their_id_in_the_splits_of_the_files(folder):
    read = corpus.read(folder)

    assert read.name == "vatex"
    assert read.splits == {"train": ["here"], "val": ["val"]}
    assert read.files() == {"here": str(folder / "clips" / "here.mp4"), "val": str(folder / "clips" / "val.webm")}


def test_captions_say_whether_they_are_parallel(folder):
    read = corpus.read(folder)

    assert read.languages == ["en", "zh"]
    rows = [row for row in read.captions.to_list() if (row["media_id"], row["language"]) == ("val", "zh")]
    assert [row["caption"] for row in rows] == [f"val zh {number}" for number in range(10)]
    assert [row["source"] for row in rows] == [vatex.INDEPENDENT] * 5 + [vatex.PARALLEL] * 5


def test_only_parallel_captions_of_training_become_sentence_pairs(folder):
    pairs = [tuple(row.values()) for row in corpus.read(folder).pairs]

    # The pairs of a clip that is missing are text alone.
    assert pairs == [
        ("en", "zh", f"{clip} en {number}", f"{clip} zh {number}", "human")
        for clip in ("here", "withdrawn")
        for number in range(5, 10)
    ]


def test_training_sees_a_clip_with_the_translations_of_its_english_captions(folder):
    data = assemble(corpus.read(folder), "en", ["zh"], "train")

    assert {(Path(row.file).stem, row.source, row.target) for row in data.captioned_pictures} == {
        ("here", f"here en {number}", f"here zh {number}") for number in range(5, 10)
    }


def test_a_clip_without_ten_captions_in_both_languages_has_no_parallel_ones(folder):
    write(folder, "training_v1.0", [entry("here", chinese=5)])

    read = corpus.read(folder)

    assert len(read.pairs) == 0
    sources = {row["source"] for row in read.captions.to_list() if row["media_id"] == "here"}
    assert sources == {vatex.INDEPENDENT}


def test_the_public_test_comes_in_a_file_a_language(folder):
    whole = entry("unknown")
    write(folder, "public_test_english_v1.1", [{key: whole[key] for key in ("videoID", "enCap")}])
    write(folder, "public_test_chinese_v1.1", [{key: whole[key] for key in ("videoID", "chCap")}])

    read = corpus.read(folder)

    assert read.media_ids("test") == ["unknown"]
    assert [len(read.captions_in(language, ["unknown"])) for language in ("en", "zh")] == [10, 10]


def test_missing_clips_are_counted_and_left_out(folder, capsys):
    read = corpus.read(folder)

    assert "1 of the 3 clips that VATEX names are not below" in capsys.readouterr().err
    assert not [row for row in read.captions.to_list() if row["media_id"] == "withdrawn"]


def test_with_all_clips_there_nothing_is_said(folder, capsys):
    (folder / "withdrawn.mov").touch()
    corpus.read(folder)

    assert capsys.readouterr().err == ""


def test_without_any_clip_the_place_for_them_is_named(tmp_path):
    write(tmp_path, "training_v1.0", [entry("a"), entry("b")])

    with pytest.raises(UserError, match=r"None of the 2 clips that VATEX names is below .*<videoID>\.mp4"):
        corpus.read(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [("[{", r"training_v1\.0\.json is not JSON"), ('{"a": 1}', "not in VATEX's format"), ("[1]", "VATEX's format")],
)
def test_a_file_in_another_format_is_named(content, message, folder):
    (folder / "vatex_training_v1.0.json").write_text(content, encoding="utf-8")

    with pytest.raises(UserError, match=message):
        corpus.read(folder)
