"""What contracts share in taking requests apart: types, limits and the sentences that refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from cl2cm_plugin.vectorizer.failures import InvalidRequestError, TooLargeError
from cl2cm_plugin.vectorizer.items import Item, Modality
from cl2cm_plugin.vectorizer.settings import MEBIBYTE

if TYPE_CHECKING:
    from cl2cm_plugin.vectorizer.settings import Settings

_TYPE_NAMES = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
}
DIMENSIONS: dict[str, Any] = {"type": ["integer", "null"], "minimum": 1}
"""JSON schema of what `dimensions` reads."""


def decoded(body: bytes, takes: str) -> dict[str, Any]:
    """Read a body as a JSON object, whatever its Content-Type.

    Args:
        body: As it came.
        takes: What the object should hold, in words.

    Returns:
        The object.

    Raises:
        InvalidRequestError: It is no JSON, or no object.
    """
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError(f"the body is not JSON ({error})") from None
    if not isinstance(request, dict):
        raise InvalidRequestError(f"the body must be a JSON object with {takes}, not {type_name(request)}")
    return request


def type_name(value: Any) -> str:
    """Name a JSON value's type in words."""
    return _TYPE_NAMES.get(type(value), "null")


def string(value: Any, where: str) -> str:
    """Return a value that must be a string, or say where it is none."""
    if not isinstance(value, str):
        raise InvalidRequestError(f"{where}: expected a string, got {type_name(value)}")
    return value


def strings(value: Any, where: str) -> list[str]:
    """Return a value that must be a list of strings; null is the empty list."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidRequestError(f"{where}: expected a list of strings, got {type_name(value)}")
    return [string(one, f"{where}[{index}]") for index, one in enumerate(value)]


def check_choice(request: dict[str, Any], key: str, served: tuple[str, ...]) -> None:
    """Refuse a form of answer that cannot be had.

    Args:
        request: The request.
        key: Where the choice stands; missing and null leave it to us.
        served: What can be had.

    Raises:
        InvalidRequestError: Something else is asked for.
    """
    if request.get(key) not in (None, *served):
        raise InvalidRequestError(f"{key}: only {' and '.join(served)} can be had here; ask for that, or leave it out")


def dimensions(value: Any, where: str) -> int | None:
    """Return a wanted length of vectors, whose range is checked later; null leaves it open."""
    if value is not None and type(value) is not int:
        raise InvalidRequestError(f"{where}: expected a whole number like 128, got {type_name(value)}")
    return value


def check_count(count: int, kinds: str, settings: Settings) -> None:
    """Refuse a request with too many items.

    Args:
        count: How many it has.
        kinds: What they are: ``texts and images``.
        settings: The limits.

    Raises:
        TooLargeError: There are more than `Settings.max_items`.
    """
    if count > settings.max_items:
        raise TooLargeError(f"the request has {count} {kinds}; at most {settings.max_items} are taken")


def text_items(request: dict[str, Any], key: str, settings: Settings) -> list[Item]:
    """Read one string, or a list of strings, as texts.

    Args:
        request: The request.
        key: Where they stand.
        settings: The limits.

    Returns:
        The texts in order.

    Raises:
        RequestError: Something else stands there, or there are too many.
    """
    value = request.get(key)
    if isinstance(value, str):
        return [item(Modality.TEXT, value, key, settings)]
    if not isinstance(value, list):
        raise InvalidRequestError(f"{key}: expected a string or a list of strings, got {type_name(value)}")
    # Before each is looked at: there may be millions.
    check_count(len(value), "texts", settings)
    texts = strings(value, key)
    return [item(Modality.TEXT, text, f"{key}[{index}]", settings) for index, text in enumerate(texts)]


def item(modality: Modality, content: str, label: str, settings: Settings) -> Item:
    """Make an item within the limits; texts are cut, since the model has long stopped reading.

    Args:
        modality: What it is.
        content: As the request has it.
        label: What the request calls it.
        settings: The limits.

    Returns:
        The item.

    Raises:
        TooLargeError: A picture's or video's file is too long.
    """
    if modality is Modality.TEXT:
        return Item(modality, content[: settings.max_text_characters], label)
    noun, most, advice = {
        Modality.IMAGE: ("picture", settings.max_image_bytes, "scale it down"),
        Modality.VIDEO: ("video", settings.max_video_bytes, "shorten it or scale it down"),
    }[modality]
    size = len(content) * 3 // 4
    if size > most:
        raise TooLargeError(
            f"{label}: this {noun} has {size / MEBIBYTE:.1f} MiB; at most {most / MEBIBYTE:.1f} are taken: {advice}"
        )
    return Item(modality, content, label)
