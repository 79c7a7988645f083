from __future__ import annotations

import pytest

from trainer.translation.languages import find_code, short_code


@pytest.mark.parametrize(
    ("code", "short"),
    [
        ("en", "en"),
        ("eng", "en"),
        ("spa", "es"),
        ("ast", "ast"),
        ("pt-BR", "pt_BR"),
        ("por_BR", "pt_BR"),
        ("zho_Hans", "zh_Hans"),
        ("hbs_HR", "hr"),
        ("hbs", "sh"),
    ],
)
def test_a_code_has_two_letters_where_there_are_any(code, short):
    assert short_code(code) == short


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("fr", "fra_Latn"),
        ("fra", "fra_Latn"),
        ("zh", "zho_Hans"),
        ("zh-Hant", "zho_Hant"),
        ("ar", "arb_Arab"),
        ("eo", None),
        ("fr_CA", None),
    ],
)
def test_a_language_is_found_in_the_form_that_a_model_uses(language, code):
    assert find_code(language, ["eng_Latn", "fra_Latn", "zho_Hant", "zho_Hans", "arb_Arab"]) == code


def test_plain_codes_and_codes_with_a_country_are_found():
    assert find_code("fr", ["en", "fr"]) == "fr"
    assert find_code("fr", ["en_XX", "fr_XX"]) == "fr_XX"
