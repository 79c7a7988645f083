"""Encoding that processes share: each encodes its part, all get everything, and figures are computed once on all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.distributed as dist

from trainer.methods.gathering import gathered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Encode = Callable[[Sequence[str]], np.ndarray]


def together(encode: Encode) -> Encode:
    """Share an encoder's work among the processes that train together.

    Args:
        encode: From texts or files to vectors, shape (n, d).

    Returns:
        The same function, which every process has to call with the same arguments; each gets the vectors of all, in
        the order asked. Where one process trains alone it is the function itself.
    """

    def encode_together(items: Sequence[str]) -> np.ndarray:
        processes = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
        if processes == 1 or len(items) < processes:
            return encode(items)
        vectors = torch.from_numpy(encode(items[dist.get_rank() :: processes]))
        with torch.no_grad():
            (joined,) = gathered(vectors.cuda() if dist.get_backend() == "nccl" else vectors)
        # The first process's come first; back to the order asked.
        asked = np.argsort(np.concatenate([np.arange(len(items))[process::processes] for process in range(processes)]))
        return joined.cpu().numpy()[asked]

    return encode_together
