"""encoder.pictures and vectorizer.media: odd pictures become the right RGB pixels, bad ones a sentence."""

from __future__ import annotations

import base64
import gc
import io
import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image

from cl2cm_plugin.encoder.pictures import PictureError, open_picture
from cl2cm_plugin.vectorizer import media
from cl2cm_plugin.vectorizer.media import MediaError, PictureReader, PixelBudget

from .conftest import as_it_is, encoded

RED, WHITE = (255, 0, 0), (255, 255, 255)


def read(content: str, max_pixels: int = 10_000) -> Image.Image:
    return PictureReader(max_pixels, PixelBudget(10 * max_pixels), as_it_is)(content)


def corner(content: str) -> tuple[int, ...]:
    image = read(content)
    assert image.mode == "RGB"
    return image.getpixel((0, 0))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "WEBP"])
def test_every_format_gives_its_colours(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    assert corner(encoded(Image.new("RGB", (4, 3), RED), kind, **options)) == RED


def test_cmyk_jpeg_becomes_rgb():
    red, green, blue = corner(encoded(Image.new("RGB", (16, 16), RED).convert("CMYK"), "JPEG"))
    assert red > 240
    assert max(green, blue) < 15


def test_transparency_is_laid_on_white():
    clear = encoded(Image.new("RGBA", (2, 2), (255, 0, 0, 0)))
    half = encoded(Image.new("LA", (2, 2), (0, 128)))
    assert corner(clear) == WHITE
    assert corner(half) == (127, 127, 127)


def test_transparent_palette_and_transparent_colour_are_laid_on_white():
    palette = Image.new("P", (2, 2), 0)
    palette.putpalette([255, 0, 0, 0, 255, 0])
    assert corner(encoded(palette)) == RED
    assert corner(encoded(palette, transparency=0)) == WHITE
    assert corner(encoded(Image.new("RGB", (2, 2), RED), transparency=RED)) == WHITE


def test_16_bit_grey_is_scaled_and_not_clipped():
    grey = Image.fromarray(np.full((2, 2), 32_768, dtype=np.uint16))
    assert corner(encoded(grey)) == (127, 127, 127)
    assert corner(encoded(Image.fromarray(np.full((2, 2), 0.5, dtype=np.float32)), "TIFF")) == (127, 127, 127)
    assert corner(encoded(Image.new("1", (2, 2), 1))) == WHITE


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_the_picture_upright(orientation):
    """The stored pixels are the upright ones under the inverse turn, so all eight must come back the same."""
    upright = np.zeros((16, 32), dtype=np.uint8)
    upright[:8, :8] = 255
    inverse = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: np.rot90(upright, 2).T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ("JPEG", "PNG", "TIFF"):
        image = read(encoded(Image.fromarray(np.ascontiguousarray(inverse)), kind, exif=exif))
        assert image.size == (32, 16)
        assert np.abs(np.asarray(image.convert("L")).astype(int) - upright).max() < 20


def test_damaged_exif_does_not_cost_the_picture():
    content = encoded(Image.new("RGB", (4, 4), RED), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert corner(content)[0] > 240


def test_of_an_animation_the_first_frame_is_taken():
    frames = [Image.new("RGB", (2, 2), colour) for colour in (RED, WHITE)]
    for kind in ("GIF", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        assert corner(encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)) == RED


def test_one_pixel_is_a_picture():
    assert read(encoded(Image.new("RGB", (1, 1), RED))).size == (1, 1)


def test_data_prefix_white_space_url_alphabet_and_missing_padding_are_forgiven():
    content = encoded(Image.effect_noise((32, 32), 90).convert("RGB"))
    assert "+" in content or "/" in content
    expected = read(content).tobytes()
    wrapped = "\r\n ".join(content[i : i + 76] for i in range(0, len(content), 76))
    for form in (
        f"data:image/png;base64,{content}",
        f" DATA:;BASE64,{wrapped}\n",
        content.replace("+", "-").replace("/", "_").rstrip("="),
    ):
        assert read(form).tobytes() == expected


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("http://127.0.0.1:1/a.png", "addresses are never opened"),
        (" https://example.org/picture", "addresses are never opened"),
        ("file:///etc/passwd", "addresses are never opened"),
        ("/etc/passwd", "files are never opened"),
        ("photos/dog.jpg", "files are never opened"),
        (r"C:\photos\dog.jpeg", "files are never opened"),
        ("../dog", "files are never opened"),
        ("", "empty"),
        ("data:image/png;base64,", "empty"),
        ("data:image/svg+xml,<svg/>", "not in base64"),
        ("ein Hund am Strand!", "not base64"),
        ("aGVsbG8gd29ybGQ=", "not a picture"),
        (base64.b64encode(b"%PDF-1.7 ...").decode(), "not a picture"),
    ],
)
def test_what_is_no_picture_is_refused_with_a_reason(content, sentence):
    with pytest.raises(MediaError, match=sentence):
        read(content)


def test_a_path_to_a_real_picture_is_never_opened(tmp_path):
    file = tmp_path / "dog.png"
    Image.new("RGB", (2, 2)).save(file)
    with pytest.raises(MediaError, match="files are never opened"):
        read(str(file))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_truncated_pictures_are_refused(kind):
    data = base64.b64decode(encoded(Image.effect_noise((90, 90), 90).convert("RGB"), kind))
    for kept in (len(data) // 2, 20):
        with pytest.raises(MediaError, match=r"damaged|not a picture"):
            read(base64.b64encode(data[:kept]).decode())


def bomb(width: int, height: int) -> str:
    """A PNG of a few bytes whose header promises many pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" * 1000)
    chunks = b"".join(
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, data, b"IEND")
    )
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunks).decode()


@pytest.mark.parametrize("size", [(20_000, 20_000), (101, 100), (1, 100_000)])
def test_a_header_that_promises_too_many_pixels_is_refused_before_decoding(size, monkeypatch):
    monkeypatch.setattr(Image.Image, "load", lambda _self: pytest.fail("decoded"))
    with pytest.raises(MediaError, match="pixels"):
        read(bomb(*size))


def test_open_picture_names_the_file(tmp_path):
    good, bad = tmp_path / "good.dat", tmp_path / "bad.png"
    Image.new("RGBA", (2, 2), (0, 0, 0, 0)).save(good, "PNG")
    bad.write_bytes(b"no picture")
    assert open_picture(good).getpixel((0, 0)) == WHITE
    with pytest.raises(PictureError, match=r"bad\.png: this is not a picture"):
        open_picture(bad)
    with pytest.raises(PictureError, match=r"gone\.png: this file cannot be read"):
        open_picture(tmp_path / "gone.png")


def test_training_and_serving_see_the_same_pixels(tmp_path):
    file = tmp_path / "a.png"
    Image.effect_noise((20, 30), 80).convert("RGBA").rotate(30, expand=True).save(file)
    served = read(base64.b64encode(file.read_bytes()).decode())
    assert served.tobytes() == open_picture(file).tobytes()


def test_decoding_pauses_until_earlier_pictures_are_gone():
    reader = PictureReader(100, PixelBudget(150), as_it_is)
    first = reader(encoded(Image.new("RGB", (10, 10))))
    second: list[Image.Image] = []
    thread = threading.Thread(target=lambda: second.append(reader(encoded(Image.new("RGB", (10, 9))))), daemon=True)
    thread.start()
    thread.join(0.1)
    assert thread.is_alive()
    assert not second
    del first
    thread.join(5)
    assert second


def test_a_failed_picture_gives_its_room_back():
    gc.disable()
    try:
        budget = PixelBudget(10_000)
        reader = PictureReader(10_000, budget, as_it_is)
        data = base64.b64decode(encoded(Image.effect_noise((90, 90), 90)))
        for _ in range(3):
            with pytest.raises(MediaError):
                reader(base64.b64encode(data[: len(data) // 2]).decode())
        assert budget._used == 0
    finally:
        gc.enable()


def test_a_picture_above_the_whole_budget_is_let_in_alone():
    budget = PixelBudget(10)
    with budget.room(50):
        pass
    assert budget._used == 0


def test_a_prepared_picture_holds_the_room_of_its_own_pixels_alone():
    budget = PixelBudget(10_000)
    reader = PictureReader(10_000, budget, lambda image: np.zeros((3, 8, 8), dtype=np.float32))

    prepared = reader(encoded(Image.new("RGB", (90, 90))))
    assert budget._used == 8 * 8 * 4
    del prepared
    assert budget._used == 0


def test_a_jpeg_of_endlessly_many_passes_is_refused_before_decoding(monkeypatch):
    stream = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(stream, "JPEG", progressive=True)
    usual = stream.getvalue()
    start = usual.index(b"\xff\xda")
    monkeypatch.setattr(media, "to_rgb", lambda _image: pytest.fail("it was decoded"))

    monkeypatch.setattr(media, "_MOST_PIXELS_TOUCHED", 64 * 64 * 100)
    with pytest.raises(MediaError, match="far more passes than any camera uses"):
        read(base64.b64encode(usual[:start] + usual[start:-2] * 100 + usual[-2:]).decode())


def test_formats_outside_the_list_are_refused():
    with pytest.raises(MediaError, match="known format"):
        read(encoded(Image.new("RGB", (4, 4)), "PPM"))
