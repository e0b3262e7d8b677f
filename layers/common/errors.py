"""The one exception a user is meant to read."""

from __future__ import annotations


class RarError(Exception):
    """Bad input or a failed precondition; its text is one line that names the file and the remedy."""
