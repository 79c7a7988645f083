"""Write frames as a clip: H.264 in MP4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image

# One thread: the number of threads would change the bytes, and a clip of this length gains nothing by more. No
# assembly: with it the bytes differed from call to call on a processor with AVX-512.
_OPTIONS = {"crf": "28", "preset": "veryfast", "threads": "1", "x264-params": "asm=0"}


def write_clip(frames: list[Image.Image], file: Path, rate: int = 8) -> None:
    """Encode a clip; the same frames give the same bytes with the same version of PyAV.

    Args:
        frames: Pictures in mode ``RGB`` of one size, whose width and height are even; one or more.
        file: The clip's file, ending in ``.mp4``.
        rate: Frames a second.

    Raises:
        UserError: PyAV is not installed.
    """
    try:
        import av
    except ModuleNotFoundError:
        raise UserError(
            "Clips are made with PyAV, which is not installed: pip install 'cl2cm-plugin[video]'"
        ) from None

    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options=_OPTIONS)
        stream.width, stream.height = frames[0].size
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_image(frame)))
        container.mux(stream.encode())
