"""``cl2cm add-language``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cl2cm_plugin.commands import add_command
from cl2cm_plugin.commands.numbers import positive
from cl2cm_plugin.errors import UserError
from trainer.console import quiet_libraries

if TYPE_CHECKING:
    import argparse

    from trainer.add_language import Added
    from trainer.language_texts import LanguageTexts

HELP = """\
Teach a trained model a further language without touching the pictures: from
sentences and their translations alone, with the image tower as it is. Every picture
keeps its vector, so collections of the earlier model are searched in the new language
without importing anything again.

The sentences come from one of
  --data      a folder of captioned media with pairs/<source>-<language>.tsv; its
              sentences in the languages already there keep those from drifting
  --pairs     a table with the columns source and target
  --captions  source captions, which are translated by machine: a folder of captioned
              media, a table with the column caption, or a text file, one a line
A run that was stopped goes on where it was.
"""

EXAMPLES = """\
examples:
  cl2cm add-language cs --to cl2cm-de --data archive/
  cl2cm add-language cs --to cl2cm-de --pairs en-cs.tsv
  cl2cm add-language fr --to cl2cm-de --captions archive/ --with facebook/m2m100_418M
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand ``add-language``."""
    parser = add_command(subparsers, "add-language", "add a language to a trained model", HELP, EXAMPLES)
    parser.add_argument("languages", metavar="LANGUAGE", nargs="+", help="languages to add, such as cs")
    parser.add_argument("--to", metavar="MODEL", required=True, help="an installed model by name, or a model folder")
    sentences = parser.add_mutually_exclusive_group(required=True)
    sentences.add_argument("--data", metavar="DATA", help="a folder of captioned media with sentence pairs")
    sentences.add_argument("--pairs", metavar="FILE", type=Path, help="a table of sentence pairs")
    sentences.add_argument("--captions", metavar="CAPTIONS", type=Path, help="captions to translate")
    parser.add_argument(
        "--from", metavar="LANGUAGE", dest="source", help="of the source sentences (the model's first language)"
    )
    parser.add_argument("--split", metavar="SPLIT", help="captions of this split alone (train where there is one)")
    parser.add_argument(
        "--with",
        metavar="NAME",
        dest="translator",
        help="apertium (the default), or a Hugging Face sequence-to-sequence model by name or folder",
    )
    parser.add_argument("--beams", metavar="N", type=positive, help="beam search of a model (the model's own)")
    parser.add_argument("--recipe", metavar="FILE", type=Path, help="a YAML file with other weights and rates")
    parser.add_argument("--seed", metavar="N", type=int, help="seed instead of the recipe's (0)")
    parser.add_argument(
        "--text-backbone", metavar="NAME", help="what the text tower was trained from, if the model does not say"
    )
    parser.add_argument("--name", metavar="NAME", help="of the new model (the model's, with the languages appended)")
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="the new model's folder (build/models/<name>)")
    parser.set_defaults(run=run_add_language, extra="train", runs_models=True)


def run_add_language(arguments: argparse.Namespace) -> int:
    """Add languages to a model.

    Args:
        arguments: As :func:`register` describes them.

    Returns:
        0.

    Raises:
        UserError: There is no such model, a language is unknown or not new, or the sentences are missing.
    """
    quiet_libraries()
    from rich.console import Console

    from cl2cm_plugin.encoder import model_info, model_store
    from trainer import language_recipe
    from trainer.add_language import add_language, check

    settings = language_recipe.load(arguments.recipe, arguments.seed)
    languages = list(dict.fromkeys(arguments.languages))
    folder = model_store.resolve(arguments.to)
    name = arguments.name or "-".join([model_info.read(folder).name, *languages])
    out = arguments.out or Path("build") / "models" / name
    known = check(folder, languages, out).languages
    source = arguments.source or next(iter(known), "en")
    texts = _texts(arguments, source, languages, known, out)
    added = add_language(folder, languages, texts, settings, out, name, arguments.text_backbone)
    Console().print(_said(added), highlight=False, soft_wrap=True, markup=False)
    return 0


def _texts(
    arguments: argparse.Namespace, source: str, languages: list[str], known: list[str], out: Path
) -> LanguageTexts:
    from trainer import language_texts
    from trainer.corpus import read_corpus

    if arguments.data is not None:
        corpus = read_corpus(arguments.data)
        return language_texts.from_corpus(corpus, source, languages, known, arguments.split)
    if arguments.pairs is not None:
        if len(languages) > 1:
            raise UserError(f"--pairs holds one language, not {', '.join(languages)}: add one after the other.")
        return language_texts.from_table(arguments.pairs)
    return _translated(arguments, source, languages, out)


def _translated(arguments: argparse.Namespace, source: str, languages: list[str], out: Path) -> LanguageTexts:
    from trainer import language_texts
    from trainer.add_language import run_folder
    from trainer.corpus import read
    from trainer.translation import find_translator

    licence = ""
    if arguments.captions.is_dir():
        corpus = read(arguments.captions)
        captions = language_texts.captions_of(corpus, source, arguments.split)
        described, licence = corpus.name, corpus.licence
    else:
        captions, described = language_texts.captions_in_file(arguments.captions), arguments.captions.name
    translators = {
        language: find_translator(source, language, arguments.translator, arguments.beams) for language in languages
    }
    tables = {language: run_folder(out) / "pairs" / f"{source}-{language}.tsv" for language in languages}
    return language_texts.from_captions(captions, translators, tables, described, licence)


def _said(added: Added) -> str:
    info, measured = added.info, added.measured
    pieces = f"{measured.appended} pieces were appended to its vocabulary; " if measured.appended else ""
    return (
        f"{info.identity} is in {added.folder}.\n"
        f"Translations are now at cosine {measured.learned:.3f} to their source sentences as the earlier model has "
        f"them ({measured.before:.3f} before); sentences in the languages already there at {measured.kept:.3f} to "
        f"themselves. {pieces}{measured.resegmented} of {measured.compared} of those are split into other pieces.\n"
        f"Pictures have the vectors that {info.extends[-1]} gives them: its collections need no new import.\n"
        f"Next: cl2cm install {added.folder}"
    )
