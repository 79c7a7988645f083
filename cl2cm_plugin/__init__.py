"""Cross-lingual media search: encode, serve and search with models that CL2CM trained.

Importing this package is enough for ``SentenceTransformer("cl2cm-de")`` to find a model that ``cl2cm install`` put in
place (see :mod:`cl2cm_plugin.name_resolution`). The import stays cheap: no torch, no sentence-transformers.
"""

from __future__ import annotations

from cl2cm_plugin.encoder.model_store import path
from cl2cm_plugin.errors import UserError
from cl2cm_plugin.name_resolution import install_hook

__all__ = ["UserError", "path"]

install_hook()
