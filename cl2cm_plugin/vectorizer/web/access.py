"""Who may ask: callers that show the token, if there is one."""

from __future__ import annotations

import base64
import binascii
import hmac

from cl2cm_plugin.vectorizer.failures import UnauthorisedError

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="cl2cm", Bearer realm="cl2cm"'}


class Access:
    """Checks the ``Authorization`` header.

    Args:
        token: What callers must show; empty lets everyone in.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def check(self, authorization: str | None) -> None:
        """Let a caller in, or not.

        Args:
            authorization: The header; None if there is none.

        Raises:
            UnauthorisedError: The token is missing or wrong.
        """
        # In constant time, so that how long a refusal takes tells nothing of the token.
        if self._token and not hmac.compare_digest(_shown(authorization or ""), self._token):
            raise UnauthorisedError(
                "this vectorizer wants a token: send it as `Authorization: Bearer TOKEN`, or write it into the "
                "address that Weaviate has, as http://any:TOKEN@host:port",
                _CHALLENGE,
            )


def _shown(authorization: str) -> bytes:
    """Read the token that a header shows; headers are decoded as Latin-1, byte by byte."""
    scheme, _, credentials = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip().encode("latin-1", "replace")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""
