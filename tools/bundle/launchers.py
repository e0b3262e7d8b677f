"""The scripts of a bundle: each starts a program by the loader that is right on the machine."""

from __future__ import annotations

from pathlib import Path

from tools.bundle.origins import Origin, Origins

FILES = Path(__file__).with_name("files")


def launcher(origins: Origins, origin: Origin) -> None:
    """./rar-caffe at the top."""
    origins.write("rar-caffe", (FILES / "rar-caffe.sh").read_text(encoding="utf-8"), origin, 0o755)


def program(origins: Origins, script: str, real: str, origin: Origin, set_up: str = ":") -> None:
    """A script that starts `real`, both by their paths in the bundle. set_up: a line of shell to run before."""
    folder = Path(script).parent
    text = (FILES / "program.sh").read_text(encoding="utf-8")
    up = "/".join([".."] * len(folder.parts))
    beside = str(Path(real).relative_to(folder))
    for name, value in {"@REAL@": beside, "@ROOT@": up, "@SET@": set_up}.items():
        text = text.replace(name, value)
    origins.write(script, text, origin, 0o755)
