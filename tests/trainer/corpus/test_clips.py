from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from cl2cm_plugin.encoder.video import read_frames
from cl2cm_plugin.errors import UserError
from trainer import corpus
from trainer.corpus import clips, motions
from trainer.corpus.training_data import assemble

pytest.importorskip("av")

POISON = "GIFT"


@pytest.fixture
def built(colours, tmp_path) -> corpus.CaptionedMedia:
    return corpus.read(clips.build(corpus.read(colours), tmp_path / "clips"))


def contents(folder):
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def picture_of(clip: str) -> str:
    return clip.partition("-")[0]


def test_every_picture_has_clips_with_different_motions_and_so_hard_negatives(built):
    shown = defaultdict(set)
    for media_id in built.media_ids():
        picture, _, motion = media_id.partition("-")
        shown[picture].add(motion)

    assert len(shown) == 8
    assert all(len(motions_) == clips.CLIPS_OF_A_PICTURE for motions_ in shown.values())
    assert set().union(*shown.values()) <= set(motions.MOTIONS)
    captions = [caption for _, caption in built.captions_in("en", built.media_ids())]
    assert len(set(captions)) == len(captions)


def test_a_clip_has_8_to_16_frames(built):
    for file in built.files().values():
        assert 8 <= len(read_frames(Path(file), 99)) <= 16


def test_captions_are_those_of_the_picture_with_a_sentence_on_the_motion(built, colours):
    pictures = corpus.read(colours)

    for media_id in built.media_ids():
        motion = media_id.partition("-")[2]
        for language in ("en", "de"):
            captions = [caption for _, caption in pictures.captions_in(language, [picture_of(media_id)])]
            described = [motions.describe(caption, motion, language) for caption in captions]
            assert [caption for _, caption in built.captions_in(language, [media_id])] == described


def test_clips_stay_in_the_split_of_their_picture(built, colours):
    pictures = corpus.read(colours)

    for split in ("train", "held-out"):
        counts = Counter(picture_of(media_id) for media_id in built.media_ids(split))
        assert counts == dict.fromkeys(pictures.media_ids(split), clips.CLIPS_OF_A_PICTURE)


def test_a_cut_leads_to_a_picture_of_the_very_same_splits():
    splits = {"train": [f"t{n}" for n in range(40)], "six": [f"t{n}" for n in range(9)], "val": ["v1", "v2", "v3"]}
    home = {name: {split for split in splits if name in splits[split]} for names in splits.values() for name in names}

    cuts = [clip for seed in range(9) for clip in clips.plan(splits, seed) if clip.motion == motions.CUT]

    assert len({clip.picture for clip in cuts}) > 30
    assert all(home[clip.other] == home[clip.picture] and clip.other != clip.picture for clip in cuts)


def test_a_picture_that_is_alone_in_its_split_is_never_cut_from():
    assert motions.CUT not in {clip.motion for seed in range(30) for clip in clips.plan({"train": ["one"]}, seed)}


def test_training_reaches_target_sentences_only_through_the_english_captions_translation(built, colours):
    data = assemble(built, "en", ["de"], "train")
    pairs = {(row["source"], row["target"]) for row in built.pairs.to_list()}

    assert {(row.source, row.target) for row in data.captioned_pictures} <= pairs
    assert len(data.captioned_pictures) == 6 * 2 * clips.CLIPS_OF_A_PICTURE
    assert not [text for text in data.texts if POISON in text or "pink" in text or "grey" in text]
    for row in data.captioned_pictures:
        motion = Path(row.file).stem.partition("-")[2]
        assert row.source.endswith(motions.describe("", motion, "en")[2:])
        assert row.target.endswith(motions.describe("", motion, "de")[2:])


def test_sentence_pairs_keep_their_origin_and_text_without_a_picture_gets_a_motion_too(built):
    rows = built.pairs.to_list()

    assert {row["origin"] for row in rows} == {"human", "mt"}
    (described,) = [row["source"] for row in rows if row["source"].startswith("nobody")]
    assert described in {motions.describe("nobody drew this", motion, "en") for motion in motions.MOTIONS}


def test_with_a_limit_only_few_pictures_and_the_translations_of_their_captions_remain(colours, tmp_path):
    built = corpus.read(clips.build(corpus.read(colours), tmp_path / "clips", limit=2))

    assert {name: len(built.media_ids(name)) for name in built.splits} == {"train": 4, "held-out": 4}
    of_training = {caption for _, caption in built.captions_in("en", built.media_ids("train"))}
    assert {row["source"] for row in built.pairs.to_list()} == of_training


def test_where_another_split_alone_is_rendered_no_pair_tells_what_its_clips_show(colours, tmp_path):
    with (colours / "captions" / "en.tsv").open("a", encoding="utf-8") as table:
        table.write("pink\tred\n")

    built = corpus.read(clips.build(corpus.read(colours), tmp_path / "clips", split_names=["held-out"], limit=9))

    assert list(built.splits) == ["held-out"]
    assert len(built.pairs) == 0


def test_the_licence_and_the_attribution_are_taken_over(built):
    assert (built.name, built.licence, built.attribution) == ("colours-clips", "CC0-1.0", "nobody")


def test_the_seed_decides_everything(colours, tmp_path):
    pictures = corpus.read(colours)
    first, again, other = (
        clips.build(pictures, tmp_path / name, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )

    assert contents(first) == contents(again)
    assert contents(first)["splits/train.txt"] != contents(other)["splits/train.txt"]


def test_a_second_call_does_nothing_and_another_request_does_not_overwrite(built, colours, monkeypatch):
    monkeypatch.setattr(clips, "write_clip", lambda *_: pytest.fail("rendered again"))

    assert clips.build(corpus.read(colours), built.folder) == built.folder
    with pytest.raises(UserError, match="is there already and holds something else"):
        clips.build(corpus.read(colours), built.folder, seed=1)


def test_a_build_that_was_killed_leaves_nothing_behind(colours, tmp_path, monkeypatch):
    def killed(_frames, _file):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(clips, "write_clip", killed)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            clips.build(corpus.read(colours), tmp_path / "clips")

    assert not (tmp_path / "clips").exists()
    assert len(corpus.read(clips.build(corpus.read(colours), tmp_path / "clips")).media) == 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"languages": ["en", "xx"]}, "no words in xx; choose among cs, de, en"),
        ({"languages": ["fr"]}, "has no captions in fr: found de, en"),
        ({"split_names": ["test"]}, "has no split 'test'"),
        ({"limit": 0}, "The limit is 0; wanted 1 picture or more"),
    ],
)
def test_a_mistake_is_named(arguments, message, colours, tmp_path):
    with pytest.raises(UserError, match=message):
        clips.build(corpus.read(colours), tmp_path / "clips", **arguments)


def test_clips_are_made_of_pictures_only(built, tmp_path):
    with pytest.raises(UserError, match=r"\.mp4 is a clip already"):
        clips.build(built, tmp_path / "more")
