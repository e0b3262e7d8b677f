"""The one exception a user is meant to read, how a command shows it, and how one bad entry of many is named."""

from __future__ import annotations

import errno
import io
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

# Of the disk or the process rather than of one entry: the next one would meet the same.
FOR_ALL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EMFILE, errno.ENFILE}
REMEDY = "replace it, or leave it out"
NO_MEMORY = "there is not enough memory: end other programs, or raise the limit (ulimit -v)"
NOT_MAPPED = ("failed to map segment", "Cannot allocate memory", "cannot allocate memory")  # of shared libraries


def readable(text: object) -> str:
    r"""Text in one line as any terminal shows it: bytes that are no UTF-8, and control characters, as \xe9."""
    return "".join(sign if sign.isprintable() else _escaped(sign) for sign in str(text))


def _escaped(sign: str) -> str:
    undecoded = "\udc80" <= sign <= "\udcff"  # as os.fsdecode leaves a byte
    return f"\\x{ord(sign) - 0xDC00:02x}" if undecoded else sign.encode("unicode_escape").decode()


class RarError(Exception):
    """Bad input or a failed precondition; its text is one line that names the file and the remedy."""

    def __str__(self) -> str:
        return readable(super().__str__())


def reason(error: BaseException) -> str:
    """What went wrong, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, MemoryError) or "Insufficient memory" in str(error):  # the latter is OpenCV's
        return "it needs more memory than there is"
    text = " ".join(str(error).split())
    return text if isinstance(error, RarError) else f"{type(error).__name__}: {text}" if text else type(error).__name__


@contextmanager
def named(entry: object) -> Iterator[None]:
    """Make of whatever goes wrong with one entry of many a RarError that names it, so that the others can go on.

    Passed on is what the others would meet too: a full disk, too many open files.
    """
    try:
        yield
    except RarError as error:
        if readable(entry) in str(error):
            raise
        raise RarError(f"{entry}: {error}") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FOR_ALL:
            raise
        raise RarError(f"{entry}: {reason(error)}: {REMEDY}") from error


def run_command(main: Callable[[], object]) -> NoReturn:
    """Run a command's entry point: bad input, an unusable path, a full disk end in one line on stderr and status 1.

    Ctrl-C ends in 130, unless `main` deals with it, as a click command does.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # names of files may be any bytes
    try:
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        main()
    except RarError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except MemoryError:
        sys.exit(f"error: {NO_MEMORY}")
    except ImportError as error:
        if not any(words in str(error) for words in NOT_MAPPED):
            raise
        sys.exit(f"error: {NO_MEMORY}")
    except OSError as error:
        place = readable(error.filename or "the output")
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            sys.exit(f"error: no space left on the disk of {place}: free some and run again")
        if error.errno == errno.EFBIG:
            sys.exit(f"error: {place} may not grow so large: raise the limit (ulimit -f) and run again")
        if error.errno == errno.ENOMEM:
            sys.exit(f"error: {NO_MEMORY}")
        if error.filename is None:  # not about a path that the user gave
            raise
        sys.exit(f"error: cannot use {place} ({error.strerror}): give another path, or mend this one")
    sys.exit(0)
