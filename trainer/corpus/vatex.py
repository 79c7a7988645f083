"""Reader for VATEX (Wang et al., ICCV 2019): clips with ten English and ten Chinese captions each.

    vatex_training_v1.0.json          [{"videoID": ..., "enCap": [10 captions], "chCap": [10 captions]}, ...]
    vatex_validation_v1.0.json        the same; so is vatex_public_test_*.json
    clips/<videoID>.mp4               or .webm, .mkv, ..., in any folder below

Certain, from the paper: of the ten captions in each language five describe the clip independently, and the other
five are translations of each other. Our reading, which others who train on VATEX share: in the published files those
are the last five of both lists, in the same order. A clip whose lists do not have ten entries each has no parallel
captions.

Only parallel captions of the training split become sentence pairs. The Chinese captions are read for evaluation and
for the supervised upper bound. YouTube withdraws clips over time, so those that are not there are left out, together
with their captions; the sentence pairs of a missing clip are text alone and stay.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from rich.console import Console

from cl2cm_plugin.encoder.video import is_video
from cl2cm_plugin.errors import UserError
from trainer.corpus.captioned_media import CaptionedMedia, assemble

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.corpus.captioned_media import Row

LICENCE = "VATEX: the terms of the captions are on its website; each clip belongs to who published it on YouTube."
INDEPENDENT, PARALLEL = "vatex-independent", "vatex-parallel"
# The field of an entry by language.
_FIELDS = {"en": "enCap", "zh": "chCap"}
TRAIN = "train"
# The split by the first word of a file's name.
_SPLITS = {"training": TRAIN, "validation": "val", "public": "test"}
_CAPTIONS_A_LANGUAGE, _FIRST_PARALLEL = 10, 5


def recognises(folder: Path) -> bool:
    """Tell whether a folder holds VATEX's files of captions."""
    return any(folder.glob("vatex_*.json"))


def read(folder: Path) -> CaptionedMedia:
    """Read VATEX.

    Args:
        folder: The folder with the JSON files, and clips somewhere below it.

    Returns:
        The corpus of the clips that are there; splits ``train``, ``val``, ``test`` as there are files.

    Raises:
        UserError: A file is not in VATEX's format, or no clip is there.
    """
    entries = _entries(folder)
    clips = {path.stem: str(path) for path in sorted(folder.rglob("*")) if is_video(path)}
    splits = {split: [clip for clip in of_split if clip in clips] for split, of_split in entries.items()}
    media = sorted({clip for members in splits.values() for clip in members})
    _report_missing(folder, len(media), len({clip for of_split in entries.values() for clip in of_split}))
    captions = [row for split in splits for clip in splits[split] for row in _captions(clip, entries[split][clip])]
    pairs = [row for entry in entries.get(TRAIN, {}).values() for row in _pairs(entry)]
    return assemble(
        "vatex",
        folder,
        [(clip, clips[clip]) for clip in media],
        list(dict.fromkeys(captions)),
        list(dict.fromkeys(pairs)),
        splits,
        licence=LICENCE,
        parallel_source=PARALLEL,
    )


def _entries(folder: Path) -> dict[str, dict[str, Any]]:
    """Read the entries by split and clip: ``vatex_training_v1.0.json`` holds those of ``train``."""
    entries: dict[str, dict[str, Any]] = defaultdict(dict)
    for file in sorted(folder.glob("vatex_*.json")):
        word = file.stem.split("_")[1]
        of_split = entries[_SPLITS.get(word, word)]
        for entry in _load(file):
            # The captions of the public test come in a file a language.
            of_split[entry["videoID"]] = {**of_split.get(entry["videoID"], {}), **entry}
    return dict(entries)


def _load(file: Path) -> list[dict[str, Any]]:
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is not JSON ({error}); download it again.") from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and "videoID" in entry for entry in entries):
        raise UserError(f"{file} is not in VATEX's format: wanted a list of entries with videoID, enCap and chCap.")
    return entries


def _captions(clip: str, entry: dict[str, Any]) -> list[Row]:
    first_parallel = _FIRST_PARALLEL if _is_complete(entry) else _CAPTIONS_A_LANGUAGE
    return [
        (clip, language, caption, PARALLEL if place >= first_parallel else INDEPENDENT)
        for language, field in _FIELDS.items()
        for place, caption in enumerate(entry.get(field, ()))
    ]


def _pairs(entry: dict[str, Any]) -> list[Row]:
    if not _is_complete(entry):
        return []
    english, chinese = (entry[field][_FIRST_PARALLEL:] for field in _FIELDS.values())
    return [("en", "zh", source, target, "human") for source, target in zip(english, chinese, strict=True)]


def _is_complete(entry: dict[str, Any]) -> bool:
    return all(len(entry.get(field, ())) == _CAPTIONS_A_LANGUAGE for field in _FIELDS.values())


def _report_missing(folder: Path, present: int, named: int) -> None:
    if not present:
        raise UserError(
            f"None of the {named} clips that VATEX names is below {folder}: put them there as <videoID>.mp4, for "
            f"example into {folder / 'clips'}."
        )
    if present < named:
        message = f"{named - present} of the {named} clips that VATEX names are not below {folder}; they are left out."
        Console(stderr=True).print(message, highlight=False, soft_wrap=True)
