"""The models behind one service."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from cl2cm_plugin.errors import UserError
from cl2cm_plugin.vectorizer.failures import WrongModelError, shortened
from cl2cm_plugin.vectorizer.service import State, Vectorizer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cl2cm_plugin.encoder.model_info import ModelInfo
    from cl2cm_plugin.vectorizer.engines import Engine
    from cl2cm_plugin.vectorizer.meters import Meters
    from cl2cm_plugin.vectorizer.settings import Settings


class Models:
    """One vectorizer for each model. They share the engine's thread, so that no two compete for the cores.

    Args:
        served: For each model what it says of itself, and what makes its engine; the first is used where an address
            names none.
        settings: Limits and batching of each.
        meters: What counts what they do.

    Raises:
        UserError: Two models have the same name.
    """

    def __init__(
        self, served: Sequence[tuple[ModelInfo, Callable[[], Engine]]], settings: Settings, meters: Meters
    ) -> None:
        names = [info.name for info, _ in served]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise UserError(f"two of the models are called {twice}, and an address could not tell them apart.")
        self._engine_thread = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._all = [Vectorizer(load, info, settings, self._engine_thread, meters) for info, load in served]
        self._named = {identity: one for one in reversed(self._all) for identity in one.info.extends}
        # A model's own name wins over the same name in another's past.
        self._named |= {name: one for one in self._all for name in (one.info.identity, one.info.name)}

    @property
    def usual(self) -> Vectorizer:
        """The one that is used where an address names none."""
        return self._all[0]

    @property
    def failure(self) -> tuple[ModelInfo, Exception] | None:
        """The first model that could not be loaded, and why."""
        return next(((one.info, one.failure) for one in self._all if one.failure is not None), None)

    def of(self, name: str | None) -> Vectorizer:
        """Find the vectorizer of a model.

        Args:
            name: Name or identity of a model, also of one that it extends; None takes the usual one.

        Returns:
            The vectorizer.

        Raises:
            WrongModelError: It is not served.
        """
        if name is None:
            return self.usual
        if name not in self._named:
            raise WrongModelError(
                f"this collection was made with model {shortened(name)}, but this vectorizer serves "
                f"{' and '.join(one.info.identity for one in self._all)}; start `cl2cm serve` with the right model, "
                "or import into a new collection"
            )
        return self._named[name]

    def start(self, on_failure: Callable[[], None]) -> None:
        """Begin to load the engines in the background, the usual one first; needs a running event loop.

        Args:
            on_failure: Called when one could not be loaded.
        """
        for one in self._all:
            one.start(on_failure)

    def drain(self) -> None:
        """Stop being ready; requests that still come are answered."""
        for one in self._all:
            one.drain()

    async def close(self) -> None:
        """Answer what waits, then stop."""
        for one in self._all:
            await one.close()
        self._engine_thread.shutdown(wait=False, cancel_futures=True)

    def waiting(self) -> int:
        """Count the items that wait for an engine, or are being prepared for it."""
        return sum(one.waiting() for one in self._all)

    def ready(self) -> bool:
        """Whether every model can be used."""
        return all(one.state is State.READY for one in self._all)
