"""What the trainer's commands print, and what libraries must not print between it."""

from __future__ import annotations

import logging
import warnings


def quiet_libraries() -> None:
    """Switch off the progress bars and advice of libraries, which would tear our own bars apart."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(lightning|torch|transformers)\b")


def say(sentence: str) -> None:
    """Print a sentence as it is: a path may hold what would be read as markup."""
    from rich.console import Console

    Console().print(sentence, highlight=False, markup=False, soft_wrap=True)
