from __future__ import annotations

import os

import pytest

from trainer import corpus
from trainer.corpus import damaged_media
from trainer.corpus.damaged_media import left_out, without_damaged

EVERYTHING = ["red", "green", "blue", "white", "black", "yellow", "pink", "grey"]


@pytest.fixture
def opened(monkeypatch):
    """The files that are opened, in order of their names."""
    names, reason = [], damaged_media._reason
    monkeypatch.setattr(damaged_media, "_reason", lambda file: names.append(file.stem) or reason(file))
    return names


@pytest.fixture
def damaged(colours):
    file = colours / "media" / "red.png"
    file.write_bytes(file.read_bytes()[:60])
    return corpus.read(colours)


def test_a_damaged_picture_is_left_out_with_its_captions_and_named(damaged):
    sound, found = without_damaged(damaged, EVERYTHING)

    assert list(found) == ["red"]
    assert "red.png: this picture is damaged or cut off" in found["red"]
    assert "red" not in sound.files()
    assert "red" not in sound.captions["media_id"][:]
    assert sound.media_ids("train") == [one for one in damaged.media_ids("train") if one != "red"]
    assert len(sound.captions_in("en", EVERYTHING)) == len(damaged.captions_in("en", EVERYTHING)) - 2
    assert left_out(found).startswith("Left out: 1 that cannot be opened (")


def test_what_was_opened_is_not_opened_again_until_it_changes(damaged, opened):
    for _ in range(2):
        assert list(without_damaged(damaged, EVERYTHING)[1]) == ["red"]
    assert sorted(opened) == sorted(EVERYTHING)

    file = damaged.folder / "media" / "red.png"
    (damaged.folder / "media" / "blue.png").rename(file)
    os.utime(file, ns=(1, 1))
    assert without_damaged(damaged, ["red"])[1] == {}
    assert opened[len(EVERYTHING) :] == ["red"]


def test_a_line_that_a_killed_process_left_is_no_line(damaged, opened):
    without_damaged(damaged, EVERYTHING)
    [table] = (damaged_media.cache_folder() / "opened").iterdir()
    table.write_text(table.read_text()[:40])

    assert list(without_damaged(damaged, EVERYTHING)[1]) == ["red"]
    assert len(opened) == 2 * len(EVERYTHING) - 1


def test_only_what_is_wanted_is_opened(damaged, opened):
    sound, found = without_damaged(damaged, ["green"])

    assert (sound, found, opened) == (damaged, {}, ["green"])


def test_a_damaged_clip_is_left_out(colours):
    (colours / "media" / "red.png").unlink()
    (colours / "media" / "red.mp4").write_bytes(b"no clip")

    assert list(without_damaged(corpus.read(colours), ["red"])[1]) == ["red"]
