"""What a user reads when a command fails."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from layers.common.errors import RarError, run_command


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


def test_a_full_disk() -> None:
    line = ending(failing(OSError(errno.ENOSPC, "No space left on device", "/out/x")))
    assert line == "error: no space left on the disk of /out/x: free some and run again"


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
