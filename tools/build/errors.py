"""The one error a build can end with."""

from pathlib import Path

from layers.common.errors import RarError


class BuildError(RarError):
    """Why Caffe could not be built, and what to do about it.

    Its text is a single line: what failed, the log that tells more (when there is one) and the remedy.
    """

    def __init__(self, what: str, remedy: str, log: Path | None = None) -> None:
        seen_in = f" (log: {log})" if log else ""
        super().__init__(f"{what}{seen_in}; {remedy}")
