"""What a user reads when a command fails."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from layers.common.errors import NO_MEMORY, RarError, named, readable, run_command


def ending(main: Callable[[], object]) -> object:
    """The argument of sys.exit: a status, or the line for stderr (status 1)."""
    with pytest.raises(SystemExit) as end:
        run_command(main)
    return end.value.code


def failing(error: BaseException) -> Callable[[], None]:
    def main() -> None:
        raise error

    return main


def test_success() -> None:
    assert ending(lambda: None) == 0


def test_bad_input_is_one_line() -> None:
    assert ending(failing(RarError("no faces in /x: prepare them"))) == "error: no faces in /x: prepare them"


def test_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    assert ending(failing(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk(number: int) -> None:
    line = ending(failing(OSError(number, "full", "/out/x")))
    assert line == "error: no space left on the disk of /out/x: free some and run again"


def test_a_file_beyond_the_limit() -> None:
    """Writing to an open file tells no name."""
    line = ending(failing(OSError(errno.EFBIG, "File too large")))
    assert line == "error: the output may not grow so large: raise the limit (ulimit -f) and run again"


def test_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = ending(lambda: (tmp_path / "file" / "out").mkdir())
    assert line == (
        f"error: cannot use {tmp_path}/file/out (Not a directory): give another path, or mend this one"
    )


@pytest.mark.parametrize("error", [ValueError("a bug"), OSError("of no file")])
def test_a_bug_keeps_its_trace(error: Exception) -> None:
    with pytest.raises(type(error)):
        run_command(failing(error))


@pytest.mark.parametrize(
    "error",
    [MemoryError(), OSError(errno.ENOMEM, "Cannot allocate memory"), ImportError("failed to map segment")],
)
def test_too_little_memory(error: Exception) -> None:
    assert ending(failing(error)) == f"error: {NO_MEMORY}"


def test_a_line_is_one_whatever_is_in_a_name() -> None:
    line = str(RarError("caf\udce9 \n \x1b[31m \u00e9.jpg: gone"))
    assert line == "caf\\xe9 \\n \\x1b[31m \u00e9.jpg: gone" and readable("\ud800") == "\\ud800"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RarError("no face found"), "a\\n.jpg: no face found"),
        (RarError("a\n.jpg: no face found"), "a\\n.jpg: no face found"),
        (OSError(errno.ELOOP, "Too many levels"), "a\\n.jpg: Too many levels: replace it, or leave it out"),
        (MemoryError(), "a\\n.jpg: it needs more memory than there is: replace it, or leave it out"),
        (ZeroDivisionError("by\nzero"), "a\\n.jpg: ZeroDivisionError: by zero: replace it, or leave it out"),
    ],
)
def test_one_entry_is_named(error: Exception, line: str) -> None:
    with pytest.raises(RarError) as caught, named("a\n.jpg"):
        raise error
    assert str(caught.value) == line


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_what_ends_all_is_passed_on(error: BaseException) -> None:
    with pytest.raises(type(error)), named("a.jpg"):
        raise error
