"""Fixes every package of every group, with the checksums PyPI gives: requirements/GROUP.txt, from pyproject.toml.

Standard library only; uv resolves. Packages that Debian has are fixed at Debian's versions, so that no second numpy
comes beside the one that Caffe was built with.
"""

import subprocess
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from tools.build import venv
from tools.build.errors import BuildError

RESOLVER = "lock"  # the group that has uv; not locked itself
DEBIANS = (
    "numpy", "scipy", "scikit-image", "scikit-learn", "matplotlib", "pillow", "protobuf", "PyYAML", "click", "tqdm"
)  # fmt: skip
HEADER = "# Made by `./rar-caffe lock` from pyproject.toml: change that.\n"


def lock(group: str, say: Callable[[str], None]) -> None:
    """Write a group's file anew; BuildError when its pins contradict each other or Debian's versions."""
    uv = str(venv.ensure(RESOLVER, say) / "bin" / "uv")
    path = venv.requirements(group)
    path.parent.mkdir(exist_ok=True)
    asked = "\n".join([*venv.groups()[group], ""])
    constraints = path.with_suffix(".constraints")
    constraints.write_text("".join(f"{name}=={found}\n" for name, found in debians().items()))
    command = [uv, "pip", "compile", "-", "--quiet", "--no-header", "--no-annotate", "--generate-hashes",
               "--python", venv.system_python(), "--constraint", str(constraints)]  # fmt: skip
    try:
        done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
    finally:
        constraints.unlink()
    if done.returncode:
        raise BuildError(f"{group} cannot be resolved: {' '.join(done.stderr.split())}", "change its pins")
    path.write_text(HEADER + done.stdout, encoding="utf-8")


def debians() -> dict[str, str]:
    """The versions of Debian's Python packages."""
    found = {}
    for name in DEBIANS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
