"""Hand a teacher's vectors themselves on to a student."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def embedding_distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """Squared Euclidean distance between the student's vectors and the teacher's, averaged over the batch.

    ``L = mean_i |x_i - y_i|^2``, for unit vectors ``2 - 2 cos(x_i, y_i)``. This is the mean squared error times the
    length of a vector, so that its weight means the same for vectors of any length.

    Source: the mean squared error of Reimers and Gurevych (2020), who teach translations the vector of their source
    sentence. That the baseline teaches it to pictures too is our reading.

    Args:
        student: Vectors, shape (B, d).
        teacher: Vectors, shape (B, d); no gradient flows into them.

    Returns:
        The loss, a scalar, at least 0; at most 4 between unit vectors.
    """
    return (student - teacher.detach()).square().sum(dim=1).mean()
