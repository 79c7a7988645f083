"""Let ``SentenceTransformer("cl2cm-de")`` find an installed model, online as well as offline.

Without help a bare name is looked up as ``sentence-transformers/<name>`` on the Hugging Face hub. An installed model
lies in the hub's cache, so offline it is found; but a hub that answers 401 or 404 for the name is believed, and one
that does not answer is asked for minutes. Therefore one hook, around one method: ``BaseModel.__init__`` of
sentence-transformers gets the folder of the installed model in place of its name, and ``local_files_only=True``, since
everything is there. All else passes through as it was: folders, names with a slash, names with ``revision=``, names
that are not installed.

The hook is put in place when somebody else imports sentence-transformers; until then nothing heavy is imported.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from types import ModuleType

PACKAGE = "sentence_transformers"
# Releases whose BaseModel.__init__ is known: from the first major version up to, not including, the second.
SUPPORTED = (6, 7)
_MARK = "resolves_installed_names"


def install_hook() -> None:
    """Resolve installed names from now on. Calling it again changes nothing.

    Where sentence-transformers is not a supported release it is left alone, and a warning says what does not work.
    """
    if PACKAGE in sys.modules:
        _hook()
    elif not any(getattr(finder, _MARK, False) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watch())


class _Watch:
    """Notices that sentence-transformers is about to be imported; importing wrapt at once would cost 0.1 s."""

    def __init__(self) -> None:
        self.waiting = True
        setattr(self, _MARK, True)

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find nothing: hand over to wrapt and ask the other finders."""
        if name != PACKAGE or not self.waiting:
            return None
        # It stays in `sys.meta_path`: the import system is walking through that list at this moment.
        self.waiting = False
        from importlib.util import find_spec

        _hook()
        # Asked anew, since wrapt has put its own finder in front of this one.
        return find_spec(PACKAGE)


def _hook() -> None:
    import wrapt

    wrapt.when_imported(PACKAGE)(_check_release)
    wrapt.when_imported(f"{PACKAGE}.base.model")(_patch)


def _supported(module: ModuleType) -> bool:
    major = str(getattr(module, "__version__", "")).partition(".")[0]
    return major.isdecimal() and SUPPORTED[0] <= int(major) < SUPPORTED[1]


def _check_release(package: ModuleType) -> None:
    # Here and not in `_patch`: releases before 5.4 have no `base.model` to patch.
    if not _supported(package):
        _warn(package)


def _patch(module: ModuleType) -> None:
    import inspect

    import wrapt

    base_model = getattr(module, "BaseModel", None)
    if not _supported(module) or getattr(getattr(base_model, "__init__", None), _MARK, False):
        return
    if base_model is None or "model_name_or_path" not in inspect.signature(base_model.__init__).parameters:
        _warn(module)
        return
    wrapt.wrap_function_wrapper(module, "BaseModel.__init__", _initialise)
    setattr(base_model.__init__.__wrapped__, _MARK, True)


def _initialise(wrapped: Callable[..., None], model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    name = args[0] if args else kwargs.get("model_name_or_path")
    if not isinstance(name, str) or kwargs.get("revision") is not None:
        return wrapped(*args, **kwargs)
    from pathlib import Path

    from cl2cm_plugin.encoder import model_store

    folder = model_store.find(name)
    if folder is None or Path(name, "modules.json").is_file():
        return wrapped(*args, **kwargs)
    return wrapped(**{**kwargs, "model_name_or_path": str(folder), "local_files_only": True})


def _warn(module: ModuleType) -> None:
    if getattr(module, _MARK, None) is False:
        return
    import warnings

    setattr(module, _MARK, False)
    release = getattr(module, "__version__", "of an unknown release")
    warnings.warn(
        f"cl2cm_plugin does not know sentence-transformers {release} (it knows {SUPPORTED[0]} up to, not including, "
        f'{SUPPORTED[1]}) and leaves it alone: SentenceTransformer("NAME") does not find an installed model while '
        'online. These still do: SentenceTransformer(str(cl2cm_plugin.path("NAME"))), local_files_only=True, and '
        "HF_HUB_OFFLINE=1.",
        RuntimeWarning,
        stacklevel=2,
    )
