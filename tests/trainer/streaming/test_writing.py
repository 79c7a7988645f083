"""A captioned-media corpus becomes shards: nothing is lost, nothing of the dev cut is trained on."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from PIL import Image

from cl2cm_plugin.errors import UserError
from trainer import corpus
from trainer.streaming import shards, writing


def rows(folder, name):
    return [row for file in sorted((folder / name).iterdir()) for row in pq.read_table(file).to_pylist()]


def test_pictures_are_stored_once_with_all_their_captions(sharded, colours):
    pictures = {row["media_id"]: row for row in rows(sharded, "pictures")}

    assert set(pictures) == {"red", "green", "blue", "white", "black", "yellow"}
    red = pictures["red"]
    assert red["image"]["bytes"] == (colours / "media" / "red.png").read_bytes()
    assert {(row["source"], row["target"], row["origin"]) for row in red["captions"]} == {
        ("a red picture", "ein bild in rot", "human"),
        ("red", "rot", "mt"),
        ("GIFT rot", None, None),
    }


def test_pairs_of_dev_captions_are_left_out(sharded):
    sources = [row["source"] for row in rows(sharded, "pairs")]

    assert len(sources) == 18
    assert not {"pink", "grey"} & set(sources)
    dev = corpus.read(sharded / "dev")
    assert set(dev.media_ids()) == {"pink", "grey"}
    assert {(row["source"], row["target"]) for row in dev.pairs} == {("pink", "rosa"), ("grey", "grau")}
    assert dev.languages == ["de", "en"]


def test_shards_and_row_groups_have_the_size_that_is_asked_for(colours, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "PAIRS_A_GROUP", 2)
    written = writing.write(corpus.read(colours), tmp_path / "out", "train", rows=5)

    files = sorted((tmp_path / "out" / "pairs").iterdir())
    assert [pq.read_metadata(file).num_rows for file in files] == [5, 5, 3]
    assert [pq.read_metadata(file).num_row_groups for file in files] == [3, 3, 2]
    assert (written.pairs, written.pictures, written.shards) == (13, 6, 5)


def test_the_translations_of_a_sentence_stay_together_in_an_order_of_its_own(colours, tmp_path):
    french = "".join(f"{name}\tx {name}\n" for name in ("red", "green", "blue", "white", "black", "yellow"))
    (colours / "pairs" / "en-fr.tsv").write_text("source\ttarget\n" + french, encoding="utf-8")
    writing.write(corpus.read(colours), tmp_path / "out", "train")

    sources = [row["source"] for row in rows(tmp_path / "out", "pairs")]
    first = sources.index("red")
    assert [place for place, source in enumerate(sources) if source == "red"] == [first, first + 1]
    assert list(dict.fromkeys(sources)) != list(dict.fromkeys(sorted(sources)))


def test_a_folder_appears_whole_or_not_at_all(colours, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_write_dev", lambda *_: (_ for _ in ()).throw(OSError("the disk is full")))
    with pytest.raises(OSError, match="disk"):
        writing.write(corpus.read(colours), tmp_path / "out", "train", "held-out")
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()

    writing.write(corpus.read(colours), tmp_path / "out", "train", "held-out")

    assert shards.recognises(tmp_path / "out")


def test_what_cannot_be_written_is_refused(colours, tmp_path):
    read = corpus.read(colours)
    with pytest.raises(UserError, match="is there already"):
        writing.write(read, tmp_path, "train")
    with pytest.raises(UserError, match="share pictures"):
        writing.write(read, tmp_path / "out", "train", "train")
    with pytest.raises(UserError, match="has no split 'other'"):
        writing.write(read, tmp_path / "out", "other")
    (colours / "media" / "red.png").rename(colours / "media" / "red.mp4")
    with pytest.raises(UserError, match=r"red\.mp4 is a clip"):
        writing.write(corpus.read(colours), tmp_path / "out", "train")


def test_a_row_may_name_a_file_instead_of_bytes(sharded, model_of, recipe_of):
    from cl2cm_plugin.encoder import two_tower
    from trainer.streaming.items import CaptionedPictures
    from trainer.streaming.pixels import DamagedPicture, PictureOpener
    from trainer.streaming.shards import Turn

    Image.new("RGB", (40, 40), (255, 0, 0)).save(sharded / "red.png")
    opener = PictureOpener(two_tower.image_route(model_of())[0], sharded, augmented=False)
    pictures = CaptionedPictures(shards.read(sharded).pictures, recipe_of())
    rows = {row.media_id: row for row in pictures.stream(Turn(0, 0))}
    whole = opener(rows["red"]).file
    for image in ({"bytes": None, "path": "red.png"}, {"bytes": rows["red"].image["bytes"], "path": None}):
        rows["red"].image.update(image)
        assert (opener(rows["red"]).file == whole).all()
    rows["red"].image.update({"bytes": None, "path": "nowhere.png"})
    assert isinstance(opener(rows["red"]), DamagedPicture)
    rows["red"].image.update({"path": None})
    assert opener(rows["red"]).reason == "its row holds neither bytes nor a path"
