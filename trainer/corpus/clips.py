"""A corpus of short clips, rendered from the captioned pictures of another corpus: a substitute for recorded video.

The camera pans or zooms over a picture, rests on it, or cuts to another picture. A clip's captions are those of its
picture, each with a sentence that names the motion; sentence pairs are extended in both languages alike, so that a
translation still reaches a clip through the text of its English caption alone. Clips of one picture differ in their
motion only and are hard negatives of each other. No clip shows a picture of a split that is not its own.

Vectors that are pooled over frames without regard to their order cannot tell a pan to the left from one to the right,
nor zooming in from zooming out: what these clips cost such a model is part of what they show.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from rich.progress import track

from cl2cm_plugin.encoder import video
from cl2cm_plugin.encoder.backbones import made_once
from cl2cm_plugin.errors import UserError
from cl2cm_plugin.tables import write_table
from trainer.corpus import motions
from trainer.corpus.clip_files import write_clip
from trainer.corpus.pictures import open_picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.corpus.captioned_media import CaptionedMedia, Row

CLIPS_OF_A_PICTURE = 2
TRAIN = "train"
_FEWEST_FRAMES, _MOST_FRAMES = 8, 16
# Part of what a folder says of itself: raised where the same arguments give other clips.
_VERSION = 1


@dataclass(frozen=True)
class Clip:
    """What a clip shows.

    Attributes:
        picture: Media id of its picture.
        motion: One of `motions.MOTIONS`.
        other: Media id of the picture that a cut leads to.
        frames: How many frames it has.
    """

    picture: str
    motion: str
    other: str
    frames: int

    @property
    def media_id(self) -> str:
        """The clip's own media id."""
        return f"{self.picture}-{self.motion}"


def build(
    corpus: CaptionedMedia,
    folder: Path,
    languages: Sequence[str] = (),
    split_names: Sequence[str] = (),
    seed: int = 0,
    limit: int | None = None,
) -> Path:
    """Make the clips of a corpus of pictures, unless they are there already.

    Args:
        corpus: Captioned pictures.
        folder: Where to write the captioned-media folder; it appears whole or not at all.
        languages: Languages of captions and sentence pairs, source language included; all that the motions have words
            in, if empty.
        split_names: The splits to take pictures from; all splits if empty, all pictures where there are no splits.
            Sentence pairs get the motions of clips of the split ``train``.
        seed: Chooses motions, lengths, cuts, and the pictures where there is a limit.
        limit: Take about so many pictures a split, and leave out sentence pairs that translate no caption of theirs.

    Returns:
        The folder: two clips a picture, of 224 x 224 pixels and 8 to 16 frames, 8 frames a second.

    Raises:
        UserError: An argument does not fit the corpus, the folder holds something else, or PyAV is not installed.
    """
    wanted = sorted(set(languages or motions.languages()))
    _check(corpus, wanted, limit)
    splits = {name: corpus.media_ids(name) for name in split_names or sorted(corpus.splits)}
    facts = _facts(corpus, wanted, sorted(splits), seed, limit)
    if folder.exists() and not _holds(folder, facts):
        raise UserError(f"{folder} is there already and holds something else; name a new folder, or remove it.")
    clips = plan(splits or {TRAIN: corpus.media_ids()}, seed, limit)
    return made_once(folder, lambda out: _write(corpus, clips, splits, wanted, facts, out))


def plan(splits: dict[str, list[str]], seed: int, limit: int | None = None) -> list[Clip]:
    """Decide which clips there are.

    Args:
        splits: Media ids of pictures by name of the split; splits may overlap.
        seed: Chooses.
        limit: About how many pictures to take of a split; all if None.

    Returns:
        The clips, those of one picture next to each other. Each picture's depend on the seed, its media id and the
        pictures that a cut may lead to: those of the very same splits.
    """
    of_split = {name: set(members) for name, members in splits.items()}
    chosen = sorted(_chosen(splits, seed, limit))
    home = {media_id: frozenset(name for name in of_split if media_id in of_split[name]) for media_id in chosen}
    alike: dict[frozenset[str], list[str]] = defaultdict(list)
    for media_id in chosen:
        alike[home[media_id]].append(media_id)
    return [clip for media_id in chosen for clip in _clips_of(media_id, alike[home[media_id]], seed)]


def _chosen(splits: dict[str, list[str]], seed: int, limit: int | None) -> set[str]:
    order = sorted({media_id for members in splits.values() for media_id in members})
    random.Random(seed).shuffle(order)  # noqa: S311 - nothing secret
    place = {media_id: number for number, media_id in enumerate(order)}
    return {media_id for members in splits.values() for media_id in sorted(members, key=place.__getitem__)[:limit]}


def _clips_of(media_id: str, alike: list[str], seed: int) -> list[Clip]:
    chance = random.Random(f"{seed} {media_id}")  # noqa: S311 - nothing secret
    others = [other for other in alike if other != media_id]
    possible = motions.MOTIONS if others else [motion for motion in motions.MOTIONS if motion != motions.CUT]
    return [
        Clip(
            media_id,
            motion,
            chance.choice(others) if motion == motions.CUT else media_id,
            chance.randint(_FEWEST_FRAMES, _MOST_FRAMES),
        )
        for motion in chance.sample(possible, CLIPS_OF_A_PICTURE)
    ]


def _check(corpus: CaptionedMedia, languages: list[str], limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise UserError(f"The limit is {limit}; wanted 1 picture or more.")
    unknown = sorted(set(languages) - set(motions.languages()))
    if unknown:
        known = ", ".join(motions.languages())
        raise UserError(f"The motions have no words in {', '.join(unknown)}; choose among {known}.")
    if not set(languages) & set(corpus.languages):
        found = ", ".join(corpus.languages) or "none"
        raise UserError(f"{corpus.folder} has no captions in {', '.join(languages)}: found {found}.")
    clip = next((file for file in corpus.files().values() if video.is_video(Path(file))), None)
    if clip is not None:
        raise UserError(f"Clips are made of pictures, and {clip} is a clip already; name a corpus of pictures.")


def _facts(
    corpus: CaptionedMedia, languages: list[str], split_names: list[str], seed: int, limit: int | None
) -> dict[str, Any]:
    """Put together what ``corpus.yaml`` says; the settings tell whether a folder holds the clips that are wanted."""
    settings = {"version": _VERSION, "languages": languages, "splits": split_names, "seed": seed, "limit": limit}
    return {
        "name": f"{corpus.name}-clips",
        "licence": corpus.licence,
        "attribution": corpus.attribution,
        "parallel_source": corpus.parallel_source,
        "made_from": f"rendered from pictures of {corpus.name} as a substitute for video",
        "settings": {**settings, "pictures": len(corpus.media)},
    }


def _holds(folder: Path, facts: dict[str, Any]) -> bool:
    done = folder / "corpus.yaml"
    return done.is_file() and yaml.safe_load(done.read_text(encoding="utf-8")) == facts


def _write(
    corpus: CaptionedMedia,
    clips: list[Clip],
    splits: dict[str, list[str]],
    languages: list[str],
    facts: dict[str, Any],
    folder: Path,
) -> None:
    _render(corpus.files(), clips, folder / "media")
    _write_captions(corpus, clips, languages, folder)
    # Where another split alone is rendered, no pair may give away what its clips show.
    trained = set(splits.get(TRAIN, ()) if splits else corpus.media_ids())
    _write_pairs(corpus, [clip for clip in clips if clip.picture in trained], languages, facts["settings"], folder)
    for name, members in splits.items():
        _write_split(folder / "splits" / f"{name}.txt", clips, set(members))
    (folder / "corpus.yaml").write_text(yaml.safe_dump(facts, allow_unicode=True, sort_keys=False), encoding="utf-8")


def _render(files: dict[str, str], clips: list[Clip], folder: Path) -> None:
    for clip in track(clips, f"Rendering {len(clips)} clips"):
        picture, other = open_picture(files[clip.picture]), open_picture(files[clip.other])
        file = folder / f"{clip.media_id}.mp4"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_clip(motions.render(clip.motion, picture, other, clip.frames), file)


def _write_captions(corpus: CaptionedMedia, clips: list[Clip], languages: list[str], folder: Path) -> None:
    captions: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for row in corpus.captions.to_list():
        captions[row["language"], row["media_id"]].append((row["caption"], row["source"]))
    for language in languages:
        rows: list[Row] = [
            (clip.media_id, motions.describe(caption, clip.motion, language), source)
            for clip in clips
            for caption, source in captions[language, clip.picture]
        ]
        if rows:
            write_table(folder / "captions" / f"{language}.tsv", ("media_id", "caption", "source"), rows)


def _write_pairs(
    corpus: CaptionedMedia, clips: list[Clip], languages: list[str], settings: dict[str, Any], folder: Path
) -> None:
    """Extend each sentence pair by every motion that its source sentence has as a caption of a clip of training."""
    clips_of: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        clips_of[clip.picture].append(clip)
    shown: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in corpus.captions.to_list():
        shown[row["language"], row["caption"]].update(clip.motion for clip in clips_of[row["media_id"]])
    tables: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in corpus.pairs.to_list():
        source, target = row["source_language"], row["target_language"]
        if source not in languages or target not in languages:
            continue
        for motion in sorted(shown[source, row["source"]]) or _any_motion(row["source"], settings):
            extended = (motions.describe(row[side], motion, row[f"{side}_language"]) for side in ("source", "target"))
            tables[source, target].append((*extended, row["origin"]))
    for (source, target), rows in tables.items():
        write_table(folder / "pairs" / f"{source}-{target}.tsv", ("source", "target", "origin"), rows)


def _write_split(file: Path, clips: list[Clip], pictures: set[str]) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(f"{clip.media_id}\n" for clip in clips if clip.picture in pictures), encoding="utf-8")


def _any_motion(sentence: str, settings: dict[str, Any]) -> list[str]:
    """Choose the motion of a sentence that is no caption of a clip of training; none where there is a limit."""
    if settings["limit"] is not None:
        return []
    return [random.Random(f"{settings['seed']} {sentence}").choice(motions.MOTIONS)]  # noqa: S311 - nothing secret
