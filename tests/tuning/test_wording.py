from __future__ import annotations

import math

import pytest

from tuning.wording import counted, duration, figure, short_names, shown, values


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["cross_modal.temperature"], ["temperature"]),
        (
            ["cross_modal.temperature", "cross_lingual.temperature"],
            ["cross_modal.temperature", "cross_lingual.temperature"],
        ),
        (["a.b.rate", "a.c.rate", "a.weight"], ["b.rate", "c.rate", "weight"]),
        (["rate", "a.rate", "a.b.rate"], ["rate", "a.rate", "b.rate"]),
        (["a.rate", "a.first_rate"], ["rate", "first_rate"]),
        ([], []),
    ],
)
def test_names_are_as_short_as_they_differ(names, short):
    assert list(short_names(names)) == names
    assert list(short_names(names).values()) == short


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0035951, "0.0036"),
        (0.1, "0.1"),
        (12, "12"),
        (2.0, "2"),
        ("all", "all"),
        (None, "none"),
        (True, "true"),
        ('{"form": "off"}', "off"),
        ('{"form": false}', "off"),
        ('{"beta": 0.5, "form": "transport", "weight": 0.1}', "transport (beta 0.5, weight 0.1)"),
        ('{"learnable": true, "start": 0.07}', "(learnable true, start 0.07)"),
        ('{"form": "several", "models": ["one", "two"]}', "several (models one, two)"),
        ("{}", "none"),
        ('["human", "mt"]', "human, mt"),
        ("[]", "none"),
        ("{no json", "{no json"),
    ],
)
def test_a_value_is_a_number_or_words(value, words):
    assert shown(value) == words


def test_values_have_short_names():
    chosen = {"a.temperature": 0.05, "b.temperature": 0.1, "b.form": '{"form": "off"}'}

    assert values(chosen) == "a.temperature 0.05, b.temperature 0.1, form off"
    assert values({}) == ""


def test_figures_are_written_for_people():
    assert [figure(value) for value in (288.149, 12345.6, math.nan)] == ["288.1", "12345.6", "-"]
    assert [duration(seconds) for seconds in (0, 61.6, 3600)] == ["0:00:00", "0:01:02", "1:00:00"]
    assert [counted(number, "network") for number in (0, 1, 2)] == ["0 networks", "1 network", "2 networks"]
