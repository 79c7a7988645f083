"""Cross-lingual media search: encode, serve and search with models that CL2CM trained.

Importing this package is enough for ``SentenceTransformer("cl2cm-de")`` to find a model that ``cl2cm install`` put in
place (see :mod:`cl2cm_plugin.name_resolution`). The import stays cheap: no torch, no sentence-transformers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cl2cm_plugin.errors import UserError
from cl2cm_plugin.name_resolution import install_hook

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["UserError", "path"]


def path(name: str) -> Path:
    """Return the folder of an installed model.

    Args:
        name: The name that it was installed under, for example ``cl2cm-de``.

    Returns:
        Its folder, ready for ``SentenceTransformer(str(path))``.

    Raises:
        UserError: No model of that name is installed.
    """
    from cl2cm_plugin.encoder import model_store

    return model_store.path(name)


install_hook()
