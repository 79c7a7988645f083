"""The one exception that a user's mistake raises."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can put right: the message says what is wrong, where, and what to do.

    The command line prints the message alone and exits with status 1; in a library call it is an ordinary exception.
    """
