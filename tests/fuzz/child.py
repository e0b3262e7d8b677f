"""The process that reads mutants: python3 -m tests.fuzz.child KIND FOLDER.

On stdin a line of JSON for each, on stdout what became of it: {"outcome": ..., "said": ...}. What ends this process, or
takes it too long, is seen by its parent.
"""

from __future__ import annotations

import json
import resource
import sys
import traceback
from pathlib import Path

from layers.common.errors import RarError
from tests.fuzz.kinds import KINDS, Lost, Wrong

MEMORY = 8 << 30  # bytes: what asks for more has believed a size in a damaged file


def read(kind: str, folder: Path, mutant: Path) -> tuple[str, str]:
    """The outcome of one, and the words for it."""
    try:
        KINDS[kind].read(folder, mutant)
    except RarError as error:
        said = str(error)
        return ("line" if "\n" not in said and said.isprintable() else "traceback"), said
    except OSError as error:  # run_command makes a line of those that name a file
        return ("line" if error.filename else "traceback"), repr(error)
    except Wrong as wrong:
        return "wrong", str(wrong)
    except Lost as lost:
        return "lost", str(lost)
    except BaseException:
        return "traceback", traceback.format_exc()
    return "read", ""


def main(kind: str, folder: str) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    KINDS[kind].begin(Path(folder))
    for line in sys.stdin:
        outcome, said = read(kind, Path(folder), Path(json.loads(line)))
        print(json.dumps({"outcome": outcome, "said": said}), file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
