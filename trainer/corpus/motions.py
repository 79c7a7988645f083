"""Motions that a clip can show of a still picture, as frames and in words.

The camera moves over the picture as a window that is cut out and scaled to the size of a frame; ``cut`` changes to
another picture in the middle. The words stand in ``motions.yaml``, by language.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import yaml
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 224
CUT = "cut"
# Side of the window, as a share of the picture's, where the camera is close.
_CLOSE = 0.6
# The window at a time between 0 and 1: its left edge, upper edge and side, as shares of the picture's.
_MARGIN = (1 - _CLOSE) / 2
_WINDOWS: dict[str, Callable[[float], tuple[float, float, float]]] = {
    "pan-left": lambda time: ((1 - time) * 2 * _MARGIN, _MARGIN, _CLOSE),
    "pan-right": lambda time: (time * 2 * _MARGIN, _MARGIN, _CLOSE),
    "zoom-in": lambda time: (time * _MARGIN, time * _MARGIN, 1 - 2 * time * _MARGIN),
    "zoom-out": lambda time: ((1 - time) * _MARGIN, (1 - time) * _MARGIN, _CLOSE + 2 * time * _MARGIN),
    "hold": lambda _: (0.0, 0.0, 1.0),
}
MOTIONS = (*_WINDOWS, CUT)
_ENDS = (".", "!", "?", "\u3002", "\uff01", "\uff1f")


def render(motion: str, picture: Image.Image, other: Image.Image, count: int) -> list[Image.Image]:
    """Move the camera over a picture.

    Args:
        motion: One of `MOTIONS`.
        picture: The picture, in any size.
        other: What follows after a cut; not looked at otherwise.
        count: How many frames, two or more.

    Returns:
        Pictures of `SIZE` x `SIZE` pixels, in mode ``RGB``.
    """
    if motion == CUT:
        first = count // 2
        return [*render("hold", picture, other, first), *render("hold", other, picture, count - first)]
    times = (number / max(count - 1, 1) for number in range(count))
    return [_window(picture, *_WINDOWS[motion](time)) for time in times]


def describe(caption: str, motion: str, language: str) -> str:
    """Extend a picture's caption by a sentence that names the motion.

    Args:
        caption: What the picture shows.
        motion: One of `MOTIONS`.
        language: A language of `languages`.

    Returns:
        The caption, with a full stop where it ended without, and the sentence.
    """
    words = _words()[language]
    ended = caption.strip()
    if not ended.endswith(_ENDS):
        ended += words["stop"]
    return f"{ended}{words['separator']}{words[motion]}"


def languages() -> list[str]:
    """List the languages that the motions have words in, sorted."""
    return sorted(_words())


@cache
def _words() -> dict[str, dict[str, str]]:
    return yaml.safe_load(files("trainer.corpus").joinpath("motions.yaml").read_text(encoding="utf-8"))


def _window(picture: Image.Image, left: float, top: float, side: float) -> Image.Image:
    width, height = picture.size
    box = (left * width, top * height, min(left + side, 1.0) * width, min(top + side, 1.0) * height)
    return picture.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=box)
