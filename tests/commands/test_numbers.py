from __future__ import annotations

from argparse import ArgumentTypeError

import pytest

from cl2cm_plugin.commands.numbers import gpu_share, natural, positive


@pytest.mark.parametrize(
    ("read", "text", "number"),
    [(positive, "1", 1), (natural, "0", 0), (gpu_share, "0", 0.0), (gpu_share, "0.5", 0.5), (gpu_share, "1", 1.0)],
)
def test_a_number_is_read(read, text, number):
    assert read(text) == number


@pytest.mark.parametrize(
    ("read", "text"),
    [
        *((positive, text) for text in ("0", "-1", "1.5", "two", "")),
        *((natural, text) for text in ("-1", "0.5", "none")),
        *((gpu_share, text) for text in ("-0.5", "1.5", "2", "nan", "inf", "half")),
    ],
)
def test_what_is_none_is_quoted(read, text):
    with pytest.raises(ArgumentTypeError, match=f"'{text}' is "):
        read(text)
