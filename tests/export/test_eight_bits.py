from __future__ import annotations

import numpy as np
import pytest

from cl2cm_plugin.export import eight_bits

EXACT = np.eye(4)
BAD = -EXACT
CHOICES = [("nothing", []), ("something", ["last"])]


@pytest.mark.parametrize(
    ("good_from", "expected"),
    [
        (0, [("nothing", False)]),
        (1, [("nothing", False), ("something", False)]),
        (2, [("nothing", False), ("something", False), ("nothing", True)]),
        (9, [("nothing", False), ("something", False), ("nothing", True), ("something", True)]),
    ],
)
def test_attempts_end_with_the_first_that_suffices(good_from, expected):
    asked: list[tuple[list[str], bool]] = []

    def quantise(kept: list[str], seven_bits: bool) -> None:
        asked.append((kept, seven_bits))

    made = eight_bits._attempts(CHOICES, quantise, lambda: EXACT if len(asked) > good_from else BAD, EXACT)

    assert [(attempt.kept, attempt.seven_bits) for attempt in made] == expected
    assert asked == [(dict(CHOICES)[words], seven_bits) for words, seven_bits in expected]
    assert made[-1].cosines.suffices is (good_from < 9)
