"""placeholder"""


def path(name: str) -> str:
    """Placeholder."""
    raise NotImplementedError
