"""The one exception a user is meant to read, and how a command shows it."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from typing import NoReturn


class RarError(Exception):
    """Bad input or a failed precondition; its text is one line that names the file and the remedy."""


def run_command(main: Callable[[], object]) -> NoReturn:
    """Run a command's entry point: bad input, an unusable path, a full disk end in one line on stderr and status 1.

    Ctrl-C ends in 130, unless `main` deals with it, as a click command does.
    """
    try:
        main()
    except RarError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            sys.exit(f"error: no space left on the disk of {error.filename or 'the output'}: free some and run again")
        if error.filename is None:  # not about a path that the user gave
            raise
        sys.exit(f"error: cannot use {error.filename} ({error.strerror}): give another path, or mend this one")
    sys.exit(0)
