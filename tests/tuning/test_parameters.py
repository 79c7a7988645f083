from __future__ import annotations

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import TypeAdapter, ValidationError

from tuning.parameters import Parameter, label

CHOICES = [{"weight": 0.5, "form": "relational"}, {"form": "off"}, 3, "word", None, True, [1, 2]]


def parameter(**lines):
    return TypeAdapter(Parameter).validate_python({name.rstrip("_"): value for name, value in lines.items()})


@pytest.mark.parametrize(
    ("lines", "distribution"),
    [
        ({"from": 0.1, "to": 2}, FloatDistribution(0.1, 2)),
        ({"from": 0, "to": 0.5}, FloatDistribution(0, 0.5)),
        ({"from": 0.001, "to": 1.0, "scale": "log"}, FloatDistribution(0.001, 1, log=True)),
        ({"from": 0, "to": 1, "step": 0.25}, FloatDistribution(0, 1, step=0.25)),
        ({"from": 2, "to": 8}, IntDistribution(2, 8)),
        ({"from": 3, "to": 12, "step": 3}, IntDistribution(3, 12, step=3)),
        ({"from": 3, "to": 12, "step": 3.0}, IntDistribution(3, 12, step=3)),
        ({"from": 16, "to": 256, "scale": "log"}, IntDistribution(16, 256, log=True)),
        # YAML reads numbers without a point before their exponent as words.
        ({"from": "1e-3", "to": "1e-1"}, FloatDistribution(0.001, 0.1)),
    ],
)
def test_a_range_is_of_whole_numbers_where_everything_in_it_is(lines, distribution):
    assert parameter(**lines).distribution == distribution


def test_choices_that_are_no_scalars_are_known_by_their_json():
    chosen = parameter(choices=CHOICES)

    assert chosen.distribution == CategoricalDistribution(
        ['{"form": "relational", "weight": 0.5}', '{"form": "off"}', 3, "word", None, True, "[1, 2]"]
    )
    assert [chosen.labelled(label(choice)) for choice in CHOICES] == CHOICES


@pytest.mark.parametrize(
    ("lines", "inside", "outside"),
    [
        ({"from": 0.1, "to": 2}, [0.1, 2, 1, 0.3333], [0.0999, 2.1, None, "1", True, {}]),
        ({"from": 2, "to": 8}, [2, 8, 3.0], [1, 9, 2.5]),
        ({"from": 2, "to": 8, "step": 3}, [2, 5, 8], [3, 4]),
        ({"from": 0.1, "to": 0.5, "step": 0.1}, [0.1, 0.2, 0.3, 0.5], [0.25]),
    ],
)
def test_a_range_holds_what_the_search_may_try(lines, inside, outside):
    assert [value for value in inside if not parameter(**lines).holds(value)] == []
    assert [value for value in outside if parameter(**lines).holds(value)] == []


def test_a_parameter_survives_being_written():
    for lines in ({"from": 1, "to": 2.0, "step": 0.5}, {"from": 1, "to": 4, "scale": "log"}, {"choices": CHOICES}):
        adapter = TypeAdapter(Parameter)
        chosen = parameter(**lines)
        again = adapter.validate_json(adapter.dump_json(chosen, by_alias=True))
        assert (again, again.distribution) == (chosen, chosen.distribution)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ({"from": 0.2, "to": 0.1}, "the range from 0.2 to 0.1 is empty"),
        ({"from": 0.2, "to": 0.2}, "the range from 0.2 to 0.2 is empty"),
        ({"from": "low", "to": 0.2}, "'low' is no number"),
        ({"from": False, "to": 2}, "False is no number"),
        ({"from": float("nan"), "to": 2}, "nan is no number"),
        ({"from": 0, "to": float("inf")}, "inf is no number"),
        ({"from": 1, "to": [2]}, r"\[2\] is no number"),
        ({"from": 0, "to": 1.0, "scale": "log"}, "starts above 0, not at 0"),
        ({"from": 1, "to": 9, "scale": "log", "step": 2}, "log has no step"),
        ({"from": 1, "to": 9, "step": 3}, "steps of 3 from 1 do not meet 9: the last is 7"),
        ({"from": 0.1, "to": 0.45, "step": 0.1}, "steps of 0.1 from 0.1 do not meet 0.45: the last is 0.4"),
        ({"from": 1, "to": 9, "step": 20}, "steps of 20 from 1 do not meet 9"),
        ({"from": 1, "to": 9, "step": 0}, "greater than 0"),
        ({"from": 1, "to": 9, "scale": "cubic"}, "'linear' or 'log'"),
        ({"choices": [1]}, "among two or more"),
        ({"choices": []}, "among two or more"),
        ({"choices": [128, 64, 128.0]}, "128.0 is there twice"),
        ({"choices": [None, None]}, "None is there twice"),
        ({"choices": [{"a": 1, "b": 2}, {"b": 2, "a": 1}]}, "is there twice"),
        ({"choices": [{1, 2}, 3]}, "a number, a word, or a part of a recipe"),
    ],
)
def test_what_leaves_nothing_to_choose_is_refused(lines, message):
    with pytest.raises(ValidationError, match=message) as error:
        parameter(**lines)
    assert error.value.error_count() == 1


@pytest.mark.parametrize("value", [5, None, "choices", [0.1, 0.2]])
def test_what_is_neither_a_range_nor_choices_is_shown_both(value):
    with pytest.raises(ValidationError, match=r"as \{from: 0.1, to: 0.2\}, or choices, as \{choices: \[1, 2\]\}"):
        TypeAdapter(Parameter).validate_python(value)
