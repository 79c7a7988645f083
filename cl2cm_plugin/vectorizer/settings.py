"""Every limit of the vectorizer in one place."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from cl2cm_plugin.encoder.video import FRAMES
from cl2cm_plugin.errors import UserError
from cl2cm_plugin.vectorizer.cores import visible

if TYPE_CHECKING:
    from collections.abc import Mapping

ENVIRONMENT_PREFIX = "CL2CM_"
MEBIBYTE = 1024 * 1024
LOG_FORMATS = ("text", "json")
_MAX_PORT = 65_535
_MAY_BE_ZERO = {"port", "remembered_vectors"}


def _decode_threads() -> int:
    return min(4, visible())


@dataclass(frozen=True)
class Settings:
    """Address, limits and batching of one vectorizer.

    Every field can be given as an environment variable: ``CL2CM_MAX_BATCH=16`` (see `from_environment`).

    Attributes:
        host: Address to listen on. Beyond ``127.0.0.1`` anyone who reaches the port can use the vectorizer, unless
            there is a ``token``.
        port: TCP port; 0 takes a free one.
        token: What callers must show, as ``Authorization: Bearer`` or as the password of ``Authorization: Basic``
            (Weaviate sends the latter for an address like ``http://any:TOKEN@host:9000``); empty asks for none.
        log_format: ``text``, or ``json`` with one object a line.
        max_body_bytes: Longest request body; a longer one is answered 413.
        max_held_bytes: Bodies of all requests in progress together; more are answered 503, so that a burst of large
            pictures cannot exhaust the memory.
        max_items: Most texts, images and videos in one request.
        max_text_characters: Texts are cut after this many characters, long after the model has stopped reading.
        max_image_bytes: Longest picture file, before base64.
        max_pixels: Width times height of the largest picture, or frame of a video, that is decoded.
        max_decoded_pixels: Pixels of all decoded pictures and frames that wait for the model; decoding pauses beyond.
            The frames of one video must fit in.
        max_video_bytes: Longest video file, before base64, which adds a third: raise ``max_body_bytes`` with it.
        max_video_seconds: Longest video.
        max_video_frames: Most frames in a video file, of which only some are decoded.
        max_decode_seconds: Longest time that decoding one video may take.
        frames_per_video: How many of them, evenly spread, the model sees. Collections made with another number hold
            vectors of other frames.
        max_batch: Most texts that the model sees at once.
        max_batch_tokens: Most tokens that it sees at once, padding included; a longer text goes alone.
        max_batch_pictures: Most pictures that it sees at once; each frame of a video counts, but they stay together.
            On a CPU more are no faster, and cost memory.
        max_queue: Most items that wait for the model, of all kinds together; more are answered 503.
        request_timeout: Seconds after which a request is answered 503. Weaviate gives up after 50.
        decode_threads: Threads that decode pictures while the model computes, and as many that decode videos.
        remembered_vectors: How many recent vectors are kept, since Weaviate asks for the same picture once per named
            vector; 0 keeps none.
    """

    host: str = "127.0.0.1"
    port: int = 9000
    token: str = field(default="", repr=False)
    log_format: str = "text"
    max_body_bytes: int = 32 * MEBIBYTE
    max_held_bytes: int = 512 * MEBIBYTE
    max_items: int = 256
    max_text_characters: int = 32_768
    max_image_bytes: int = 20 * MEBIBYTE
    max_pixels: int = 50_000_000
    max_decoded_pixels: int = 200_000_000
    max_video_bytes: int = 20 * MEBIBYTE
    max_video_seconds: float = 300.0
    max_video_frames: int = 20_000
    max_decode_seconds: float = 10.0
    frames_per_video: int = FRAMES
    max_batch: int = 32
    max_batch_tokens: int = 1024
    max_batch_pictures: int = 8
    max_queue: int = 1024
    request_timeout: float = 40.0
    decode_threads: int = field(default_factory=_decode_threads)
    remembered_vectors: int = 4096

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, str):
                continue
            if value < 0 or (value == 0 and one.name not in _MAY_BE_ZERO):
                raise UserError(f"the vectorizer's setting {one.name} is {value}; it must be above zero.")
        if self.log_format not in LOG_FORMATS:
            raise UserError(
                f"the vectorizer's log_format is {self.log_format}; it must be {' or '.join(LOG_FORMATS)}."
            )
        if self.port > _MAX_PORT:
            raise UserError(f"port {self.port} does not exist; choose one from 1 to {_MAX_PORT}, or 0 for a free one.")
        if self.max_held_bytes < self.max_body_bytes:
            raise UserError("the vectorizer's max_held_bytes must be at least max_body_bytes, or no body fits.")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ, **given: Any) -> Settings:
        """Take settings from ``CL2CM_*`` variables.

        Args:
            environment: The variables.
            given: Settings that win over the environment; those that are ``None`` do not count.

        Returns:
            The settings; what is given nowhere has its default.

        Raises:
            UserError: A variable is no number where one is needed, or a value is out of range.
        """
        values: dict[str, Any] = {}
        kinds = {"str": str, "int": int, "float": float}
        for one in fields(cls):
            variable = ENVIRONMENT_PREFIX + one.name.upper()
            if variable not in environment:
                continue
            try:
                values[one.name] = kinds[str(one.type)](environment[variable])
            except ValueError:
                raise UserError(f"{variable} is {environment[variable]!r}; it must be a number.") from None
        return cls(**values | {name: value for name, value in given.items() if value is not None})
