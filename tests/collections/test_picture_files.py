from __future__ import annotations

import io

import pytest
from PIL import Image

from cl2cm_plugin.collections.pictures import UnreadablePicture, find_pictures, prepare


def encoded(size, mode="RGB", kind="PNG", **options):
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind, **options)
    return buffer.getvalue()


def test_a_small_picture_stays_as_it_is():
    content = encoded((100, 50))
    assert prepare(content) is content


@pytest.mark.parametrize(
    ("mode", "kind"), [("RGB", "JPEG"), ("RGBA", "PNG"), ("P", "GIF"), ("CMYK", "JPEG"), ("L", "PNG")]
)
def test_a_large_picture_is_scaled_down(mode, kind):
    with Image.open(io.BytesIO(prepare(encoded((2000, 1000), mode, kind)))) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (1024, 512))


def test_a_large_picture_is_set_upright_and_laid_on_white():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    with Image.open(io.BytesIO(prepare(encoded((2000, 1000), "RGBA", exif=exif)))) as image:
        assert image.size == (512, 1024)
        assert image.getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize(
    "content", [b"", b"no picture", encoded((64, 64), kind="JPEG")[:-200], encoded((64, 64))[:60]]
)
def test_what_cannot_be_decoded_is_refused(content):
    with pytest.raises(UnreadablePicture):
        prepare(content)


def test_pictures_are_found_in_subfolders_and_hidden_ones_left_out(tmp_path):
    for name in ("b.JPG", "a/c.png", "notes.txt", ".hidden/d.png", "a/._c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in find_pictures(tmp_path)] == ["a/c.png", "b.JPG"]
