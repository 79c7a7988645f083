"""Picture files: odd ones that must be read, and traps that must be refused."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache

import numpy as np
from PIL import Image, PngImagePlugin

KINDS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
SIZE = (24, 17)


def saved(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _noise(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    values = np.random.default_rng(7).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(values).convert(mode)


def _with_orientation(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@cache
def odd_pictures() -> dict[str, bytes]:
    """Files that a collection may hold, and that have a vector."""
    rgb = _noise()
    frames = {"save_all": True, "append_images": [rgb.rotate(90 * turn) for turn in (1, 2)]}
    files = {kind.lower(): saved(rgb, kind) for kind in KINDS}
    files |= {f"png {mode}": saved(_noise(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGBA")}
    files |= {f"tiff {mode}": saved(_noise(mode), "TIFF") for mode in ("1", "L", "CMYK", "LAB", "F", "I;16")}
    files |= {f"tiff {packing}": saved(rgb, "TIFF", compression=packing) for packing in ("tiff_lzw", "jpeg")}
    files |= {f"animated {kind}": saved(rgb, kind, **frames) for kind in ("GIF", "WEBP", "PNG", "TIFF")}
    files |= {
        f"{kind} EXIF {n}": saved(rgb, kind, exif=_with_orientation(n))
        for kind in ("JPEG", "PNG", "WEBP")
        for n in range(10)
    }
    files |= {f"{kind} bad EXIF": saved(rgb, kind, exif=b"Exif\0\0II*\0\xff\xff\xff\xff") for kind in ("JPEG", "WEBP")}
    for size in ((1, 1), (1, 999), (999, 1)):
        files |= {f"{kind} of {size[0]} x {size[1]}".lower(): saved(_noise(size=size), kind) for kind in KINDS}
    return files | {
        # Its pixels are the two bytes with which the scans of a JPEG begin.
        "tiff of one colour": saved(Image.new("RGB", (300, 300), "peachpuff"), "TIFF"),
        "jpeg of two pictures": saved(rgb, "MPO", save_all=True, append_images=[rgb]),
        "jpeg CMYK": saved(_noise("CMYK"), "JPEG"),
        "jpeg grey": saved(_noise("L"), "JPEG"),
        "jpeg progressive": saved(rgb, "JPEG", progressive=True),
        "webp lossless": saved(_noise("RGBA"), "WEBP", lossless=True),
        "png 16 bit": saved(Image.fromarray(np.arange(408, dtype=np.uint16).reshape(17, 24) * 160), "PNG"),
        "png palette with a clear colour": saved(_noise("P"), "PNG", transparency=3),
        "png with a clear colour": saved(rgb, "PNG", transparency=(1, 2, 3)),
    }


def chunk(name: bytes, data: bytes, claimed: int | None = None) -> bytes:
    length = len(data) if claimed is None else claimed
    return struct.pack(">I", length) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 2, interlaced: int = 0) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


@cache
def traps() -> dict[str, bytes]:
    """Small files that promise, or unpack to, far more than they should: each must be refused."""
    zeros = zlib.compress(bytes(60_000_000), 9)
    small = chunk(b"IDAT", zlib.compress(bytes(1000)))
    rgb = _noise()
    jpeg, gif, bmp, webp, tiff = (bytearray(saved(rgb, kind)) for kind in ("JPEG", "GIF", "BMP", "WEBP", "TIFF"))
    place = jpeg.index(b"\xff\xc0") + 5
    jpeg[place : place + 4] = struct.pack(">HH", 60_000, 60_000)
    gif[6:10] = struct.pack("<HH", 60_000, 60_000)
    bmp[18:26] = struct.pack("<ii", 60_000, 60_000)
    place = (
        tiff.index(struct.pack("<HHI", 256, 4, 1))
        if struct.pack("<HHI", 256, 4, 1) in tiff
        else tiff.index(struct.pack("<HHI", 256, 3, 1))
    )
    tiff[place : place + 24] = struct.pack("<HHIIHHII", 256, 4, 1, 60_000, 257, 4, 1, 60_000)
    canvas = b"VP8X" + struct.pack("<II", 10, 0x10) + (59_999).to_bytes(3, "little") * 2
    body = b"WEBP" + canvas + bytes(webp[12:])
    return {
        "png of 60000 x 60000": png(60_000, 60_000, small),
        "png of 1 x 2147483647": png(1, 2**31 - 1, small),
        "png of 0 x 0": png(0, 0, small),
        "png of 9000 x 9000 in 60 kB": png(9000, 9000, chunk(b"IDAT", zeros), depth=1, colour=0),
        "jpeg of 60000 x 60000": bytes(jpeg),
        "gif of 60000 x 60000": bytes(gif),
        "bmp of 60000 x 60000": bytes(bmp),
        "tiff of 60000 x 60000": bytes(tiff),
        "webp of 60000 x 60000": b"RIFF" + struct.pack("<I", len(body)) + body,
        "png with a text that unpacks to 60 MB": png(4, 4, chunk(b"zTXt", b"a\0\0" + zeros), small),
        "png with 40 texts that unpack to 60 MB each": png(4, 4, chunk(b"zTXt", b"a\0\0" + zeros) * 40, small),
        "png with a chunk of 4 GiB": png(4, 4, chunk(b"tEXt", b"a", claimed=2**32 - 1)),
        "png of empty chunks": png(4, 4, chunk(b"IDAT", b"") * 20_000),
    }


@cache
def burdens() -> dict[str, bytes]:
    """Small files with far too much in them that need not be unpacked: each has a vector or is refused."""
    zeros = zlib.compress(bytes(60_000_000), 9)
    small = chunk(b"IDAT", zlib.compress(bytes(1000)))
    rgb = _noise()
    texts = PngImagePlugin.PngInfo()
    for number in range(2000):
        texts.add_text(f"key {number}", "a" * 100)
    still = saved(rgb, "GIF")
    return {
        "png with a profile that unpacks to 60 MB": png(4, 4, chunk(b"iCCP", b"a\0\0" + zeros), small),
        "png whose pixels unpack to 60 MB": png(4, 4, chunk(b"IDAT", zeros)),
        "png with 2000 texts": saved(rgb, "PNG", pnginfo=texts),
        "gif of 5000 frames": still[:-1] + still[still.index(b",", 13) : -1] * 5000 + b";",
        "jpeg with 4000 comments": saved(rgb, "JPEG")[:2] + b"\xff\xfe\x00\x04aa" * 4000 + saved(rgb, "JPEG")[2:],
        "file of 2 MB of zeros behind a picture": saved(rgb, "PNG") + bytes(2_000_000),
    }


def jpeg_of_scans(count: int, kind: str = "JPEG") -> bytes:
    """Make a progressive JPEG, or a file of two, whose second scan comes again and again."""
    more = {"save_all": True, "append_images": [Image.new("L", (8, 8))]} if kind == "MPO" else {}
    data = saved(Image.new("L", (1000, 1000)), kind, progressive=True, **more)
    starts = [place for place in range(len(data)) if data.startswith(b"\xff\xda", place)]
    scan = data[starts[1] : starts[2]].partition(b"\xff\xc4")[0]
    return data[: starts[2]] + scan * count + data[starts[2] :]


def tiff_of_strips(count: int) -> bytes:
    """Make a TIFF of one column whose pixels lie in strips of their own, all at the same place."""
    one = ((256, 1), (257, count), (258, 8), (259, 1), (262, 1))
    places = 8 + 8 * count
    tags = [*((tag, 1, value) for tag, value in one), (273, count, 8), (278, 1, 1), (279, count, 8 + 4 * count)]
    directory = struct.pack("<H", len(tags)) + b"".join(
        struct.pack("<HHII", tag, 4, n, value) for tag, n, value in tags
    )
    strips = struct.pack("<I", 8) * count + struct.pack("<I", 1) * count
    return b"II*\0" + struct.pack("<I", places) + strips + directory + bytes(4)
