from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from trainer.corpus import motions

OTHER = Image.new("RGB", (50, 50), "blue")


@pytest.fixture
def picture() -> Image.Image:
    """Red grows from left to right, green from the edge to the middle."""
    across = np.linspace(0, 255, 100)
    middle = 255 - np.abs(across - 127.5) * 2
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[..., 0] = across
    pixels[..., 1] = np.minimum(middle, middle[:, None])
    return Image.fromarray(pixels)


def mean(frames: list[Image.Image], channel: int) -> list[float]:
    return [float(np.asarray(frame)[..., channel].mean()) for frame in frames]


@pytest.mark.parametrize("motion", motions.MOTIONS)
def test_every_motion_gives_the_frames_asked_for(motion, picture):
    frames = motions.render(motion, picture, OTHER, 9)

    assert [(frame.size, frame.mode) for frame in frames] == [((224, 224), "RGB")] * 9


@pytest.mark.parametrize(("motion", "channel", "sign"), [("pan-left", 0, -1), ("pan-right", 0, 1), ("zoom-in", 1, 1)])
def test_the_camera_moves_where_the_name_says(motion, channel, sign, picture):
    steps = np.diff(mean(motions.render(motion, picture, OTHER, 6), channel))

    assert (steps * sign > 1).all()


def test_zooming_out_is_zooming_in_backwards(picture):
    inwards, outwards = (motions.render(name, picture, OTHER, 5) for name in ("zoom-in", "zoom-out"))

    assert [frame.tobytes() for frame in outwards] == [frame.tobytes() for frame in inwards[::-1]]


def test_a_camera_that_holds_shows_the_whole_picture_all_the_time(picture):
    frames = motions.render("hold", picture, OTHER, 3)

    assert {frame.tobytes() for frame in frames} == {picture.resize((224, 224), Image.Resampling.BILINEAR).tobytes()}


def test_a_cut_shows_the_other_picture_in_the_second_half(picture):
    blue = mean(motions.render("cut", picture, OTHER, 9), 2)

    assert blue == [0] * 4 + [255] * 5


def test_every_language_names_every_motion_differently():
    assert motions.languages() == ["cs", "de", "en", "fr", "pt", "zh"]
    for language in motions.languages():
        assert len({motions.describe("A.", motion, language) for motion in motions.MOTIONS}) == len(motions.MOTIONS)


@pytest.mark.parametrize(
    ("caption", "language", "described"),
    [
        ("a dog", "en", "a dog. The camera zooms in."),
        ("A dog runs . ", "en", "A dog runs . The camera zooms in."),
        ("Ein Hund!", "de", "Ein Hund! Die Kamera zoomt heran."),
        ("一只狗", "zh", "一只狗。镜头推近。"),
        ("一只狗。", "zh", "一只狗。镜头推近。"),
    ],
)
def test_a_caption_is_followed_by_a_sentence_of_its_own(caption, language, described):
    assert motions.describe(caption, "zoom-in", language) == described
