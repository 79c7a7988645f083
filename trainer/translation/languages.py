"""Language codes that every translator writes in its own way, brought to one form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from babel.core import get_global

if TYPE_CHECKING:
    from collections.abc import Iterable

# Apertium's names of Serbo-Croatian and its standards.
_SERBO_CROATIAN = {"hbs": "sh", "hbs_BS": "bs", "hbs_HR": "hr", "hbs_SR": "sr"}


def short_code(code: str) -> str:
    """Bring a language code to its short form.

    Args:
        code: A code of two or three letters, perhaps with a script, country or variant: ``eng``, ``pt-BR``,
            ``zho_Hans``.

    Returns:
        Two letters where ISO 639 has them, with the rest behind an underscore: ``en``, ``pt_BR``, ``zh_Hans``.
    """
    language, underscore, rest = code.replace("-", "_").partition("_")
    language = language.lower()
    if language == "hbs":
        return _SERBO_CROATIAN.get(f"{language}{underscore}{rest}", f"sh{underscore}{rest}")
    return get_global("language_aliases").get(language, language) + underscore + rest


def find_code(language: str, codes: Iterable[str]) -> str | None:
    """Find a language among the codes that a model knows.

    Args:
        language: The language wanted.
        codes: Codes in any form: ``fr``, ``fra_Latn``, ``fr_XX``.

    Returns:
        The code that is the language; else one of the language in its usual script, else the first one of the
        language; ``None`` if there is none.
    """
    wanted = short_code(language)
    forms = {short_code(code): code for code in sorted(codes, reverse=True)}
    if wanted in forms or "_" in wanted:
        return forms.get(wanted)
    script = get_global("likely_subtags").get(wanted, "").split("_")[1:2]
    usual = [f"{wanted}_{name}" for name in script]
    return next((forms[form] for form in [*usual, *sorted(forms)] if form in forms and _is(form, wanted)), None)


def _is(form: str, language: str) -> bool:
    return form.partition("_")[0] == language
