"""Weaviate collections of captioned media: start or find a server, create, import, search.

Native weaviate-client objects go in and come out::

    from cl2cm_plugin import collections

    with collections.connect("http://127.0.0.1:9000") as client:
        photos = collections.create(client, "Photos", "http://127.0.0.1:9000")
        print(collections.import_folder(photos, "photos/"))
        for found in collections.by_text(photos, "ein Hund am Strand").objects:
            print(found.metadata.distance, found.properties["file"])
"""

from __future__ import annotations

from cl2cm_plugin.collections.importer import import_folder
from cl2cm_plugin.collections.report import ImportReport
from cl2cm_plugin.collections.schema import CollectionFacts, collection_facts, create, open_collection
from cl2cm_plugin.collections.search import by_picture, by_text, hybrid
from cl2cm_plugin.collections.server import connect
from cl2cm_plugin.collections.vectorizer_address import ModelMismatch

__all__ = [
    "CollectionFacts",
    "ImportReport",
    "ModelMismatch",
    "by_picture",
    "by_text",
    "collection_facts",
    "connect",
    "create",
    "hybrid",
    "import_folder",
    "open_collection",
]
