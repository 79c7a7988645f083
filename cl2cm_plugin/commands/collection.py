"""``cl2cm import`` and ``cl2cm search``: fill a collection and look into it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl2cm_plugin.commands import add_command
from cl2cm_plugin.commands.numbers import positive
from cl2cm_plugin.errors import UserError

if TYPE_CHECKING:
    import argparse

    from weaviate import WeaviateClient
    from weaviate.collections import Collection

DEFAULT_VECTORIZER = "http://127.0.0.1:9000"

SERVER_HELP = """\
The server is the one in WEAVIATE_URL (with WEAVIATE_API_KEY and
WEAVIATE_GRPC_PORT, 50051 unless said otherwise); without WEAVIATE_URL an
embedded server keeps its data in the folder of --data.
"""

IMPORT_HELP = f"""\
Import a folder of pictures into a collection, which is made if it is not there.

Run it again to go on after an interruption, or after pictures or captions have
changed: what is there already is skipped. FOLDER is any folder of pictures, or
one with media/ and captions/<language>.tsv (columns media_id and caption).

{SERVER_HELP}"""

IMPORT_EXAMPLES = """\
examples:
  cl2cm import photos/ --collection Photos
  cl2cm import archive/ --collection Archive --captions en --store-media
  cl2cm import photos/ --collection Photos --vectors vectors.parquet
"""

SEARCH_HELP = f"""\
Search a collection with a sentence in any language of the model, or a picture.

{SERVER_HELP}"""

SEARCH_EXAMPLES = """\
examples:
  cl2cm search "ein Hund am Strand" --collection Photos
  cl2cm search "Hund" --collection Photos --hybrid --limit 5
  cl2cm search --picture dog.jpg --collection Photos
"""


def register(subparsers: Any) -> None:
    """Add the subcommands ``import`` and ``search``.

    Args:
        subparsers: What ``argparse.ArgumentParser.add_subparsers`` returned.
    """
    adding = add_command(subparsers, "import", "import a folder of pictures", IMPORT_HELP, IMPORT_EXAMPLES)
    adding.add_argument(
        "folder", metavar="FOLDER", type=Path, nargs="?", help="the folder of pictures; can be left out with --vectors"
    )
    _common(adding)
    adding.add_argument("--captions", metavar="LANGUAGE", help="language of the captions, for example en")
    adding.add_argument(
        "--store-media",
        action="store_true",
        help="keep the pictures in the collection, not only their hashes; allows --with-captions in searches",
    )
    adding.add_argument(
        "--vectors",
        metavar="FILE",
        type=Path,
        help="vectors that `cl2cm embed` computed; the vectorizer makes those that it lacks. Without FOLDER each of "
        "its rows becomes an object without its picture",
    )
    adding.set_defaults(run=run_import, extra="client")
    searching = add_command(subparsers, "search", "search a collection", SEARCH_HELP, SEARCH_EXAMPLES)
    searching.add_argument("query", metavar="QUERY", nargs="?", help="a sentence")
    searching.add_argument("--picture", metavar="FILE", type=Path, help="search with this picture instead")
    _common(searching)
    searching.add_argument("--hybrid", action="store_true", help="count the words of captions as well")
    searching.add_argument("--limit", metavar="N", type=positive, default=10, help="pictures at most (10)")
    searching.add_argument(
        "--with-captions",
        action="store_true",
        help="compare with the mean of picture and caption; for collections made with --store-media",
    )
    searching.set_defaults(run=run_search, extra="client")


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--collection", metavar="NAME", required=True, help="starts with a capital letter")
    parser.add_argument(
        "--vectorizer",
        metavar="URL",
        default=os.environ.get("CL2CM_VECTORIZER") or DEFAULT_VECTORIZER,
        help=f"where `cl2cm serve` listens ({DEFAULT_VECTORIZER}, or the variable CL2CM_VECTORIZER)",
    )
    parser.add_argument(
        "--vectorizer-from-weaviate",
        metavar="URL",
        help="the vectorizer's address as the Weaviate server reaches it, if another (containers)",
    )
    parser.add_argument("--data", metavar="FOLDER", type=Path, help="the embedded server's data folder")


def run_import(arguments: argparse.Namespace) -> int:
    """Import a folder.

    Args:
        arguments: As :func:`register` describes them.

    Returns:
        0, or 1 when not a single picture is in the collection afterwards.
    """
    if arguments.folder is None and arguments.vectors is None:
        raise UserError("Name a folder of pictures, or a file of vectors with --vectors.")
    if arguments.folder is not None and not arguments.folder.is_dir():
        raise UserError(f"There is no folder {arguments.folder}; name a folder of pictures.")
    if arguments.folder is None and arguments.store_media:
        raise UserError("A file of vectors has no pictures that could be kept: name their folder, too.")
    _check(arguments)

    from rich.console import Console

    from cl2cm_plugin.collections import connect, import_folder

    with connect(arguments.vectorizer, data=arguments.data) as client:
        report = import_folder(
            _open_or_create(client, arguments),
            arguments.folder,
            captions_language=arguments.captions,
            vectors=arguments.vectors,
        )
    Console().print(str(report), markup=False, highlight=False, soft_wrap=True)
    return 0 if report.imported or report.unchanged else 1


def _check(arguments: argparse.Namespace) -> None:
    """Say what is wrong before a server is started for it."""
    from cl2cm_plugin.collections.schema import check_name
    from cl2cm_plugin.collections.vectorizer_address import model_served_at

    check_name(arguments.collection)
    model_served_at(arguments.vectorizer)


def _check_vectors(arguments: argparse.Namespace) -> None:
    """Say that they do not fit before a collection is made for them."""
    from cl2cm_plugin.collections.given_vectors import check_vectors
    from cl2cm_plugin.collections.vector_file import VectorFile
    from cl2cm_plugin.collections.vectorizer_address import model_served_at

    served = model_served_at(arguments.vectorizer)
    check_vectors(VectorFile(arguments.vectors), served.identity, f"The vectorizer at {arguments.vectorizer} serves")


def _open_or_create(client: WeaviateClient, arguments: argparse.Namespace) -> Collection:
    from cl2cm_plugin.collections import collection_facts, create, open_collection

    name, vectorizer, inside = arguments.collection, arguments.vectorizer, arguments.vectorizer_from_weaviate
    if not client.collections.exists(name):
        if arguments.vectors is not None:
            _check_vectors(arguments)
        return create(
            client,
            name,
            vectorizer,
            caption_language=arguments.captions or "en",
            store_media=arguments.store_media,
            address_for_server=inside,
        )
    collection = open_collection(client, name, vectorizer, address_for_server=inside)
    if arguments.store_media and not collection_facts(collection).store_media:
        raise UserError(
            f"The collection {name} was made without --store-media, which cannot be changed: leave the option out, or "
            "choose another name."
        )
    return collection


def run_search(arguments: argparse.Namespace) -> int:
    """Search and print a table.

    Args:
        arguments: As :func:`register` describes them.

    Returns:
        0.
    """
    if (arguments.query is None) == (arguments.picture is None):
        raise UserError(
            'Search with a sentence or with a picture: cl2cm search "QUERY", or cl2cm search --picture FILE.'
        )
    if arguments.hybrid and arguments.picture is not None:
        raise UserError("--hybrid needs words: leave --picture out, or --hybrid.")
    _check(arguments)

    from cl2cm_plugin.collections import by_picture, by_text, connect, hybrid, open_collection

    with connect(arguments.vectorizer, data=arguments.data) as client:
        collection = open_collection(
            client,
            arguments.collection,
            arguments.vectorizer,
            address_for_server=arguments.vectorizer_from_weaviate,
        )
        options: dict[str, Any] = {
            "limit": arguments.limit,
            "target": "picture_and_caption" if arguments.with_captions else "picture",
        }
        if arguments.picture is not None:
            found = by_picture(collection, arguments.picture, **options)
        else:
            found = (hybrid if arguments.hybrid else by_text)(collection, arguments.query, **options)
    _print(found.objects, by_score=arguments.hybrid)
    return 0


def _print(objects: list[Any], *, by_score: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("", "score" if by_score else "distance", "file", "caption")
    for rank, found in enumerate(objects, start=1):
        number = found.metadata.score if by_score else found.metadata.distance
        table.add_row(
            str(rank),
            f"{number:.3f}",
            Text(str(found.properties.get("file") or "")),
            Text(str(found.properties.get("caption") or "")),
        )
    Console().print(table if objects else "Nothing found.")
