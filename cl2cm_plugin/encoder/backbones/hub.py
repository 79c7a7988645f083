"""Backbones of the Hugging Face hub, or of a local folder."""

from __future__ import annotations

from pathlib import Path

from cl2cm_plugin.errors import UserError

# Weights as safetensors only: a pickle can run code when it is loaded.
_PATTERNS = ["*.json", "*.safetensors", "*.txt", "*.model"]


def find(name: str, known: list[str]) -> Path:
    """Find a local folder or fetch a model of the hub into the hub's own cache.

    Args:
        name: A folder, or a repository such as ``FacebookAI/xlm-roberta-base``.
        known: The backbones that need no hub, named in the error.

    Returns:
        A folder that ``AutoModel.from_pretrained`` reads.

    Raises:
        UserError: There is no such folder, and the hub does not have the model or cannot be reached.
    """
    folder = Path(name)
    if (folder / "config.json").is_file():
        return folder
    if folder.is_dir():
        raise UserError(f"The folder {folder} holds no config.json, so it is no Hugging Face model folder.")
    if name.startswith((".", "/", "~")):
        raise UserError(f"There is no folder {name}; a backbone is a folder with a config.json, or a name.")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=_PATTERNS))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"No backbone {name!r}: it is none of {', '.join(known)}, no folder with a config.json, and the Hugging "
            f"Face hub did not give it ({type(error).__name__}). Check the name, the network, or HF_TOKEN."
        ) from None
