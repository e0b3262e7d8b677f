"""The Debian packages Caffe and this project need: which are missing, and how to get them."""

import os
import shutil
import subprocess
from pathlib import Path

from tools.build import bundled
from tools.build.errors import BuildError
from tools.build.progress import Progress

PACKAGE_LIST = Path(__file__).with_name("packages.txt")


def wanted(package_list: Path = PACKAGE_LIST) -> list[str]:
    """Names in a package list: one a line, `#` starts a comment."""
    lines = (line.partition("#")[0].strip() for line in package_list.read_text().splitlines())
    return [line for line in lines if line]


def missing(names: list[str]) -> list[str]:
    """Those of `names` that dpkg does not report as installed."""
    query = ["dpkg-query", "--show", "--showformat=${binary:Package} ${db:Status-Status}\n", *names]
    try:
        shown = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        raise BuildError("this is no Debian system: no dpkg-query", "use Debian 12, or a container of it") from None
    installed = {line.split()[0].partition(":")[0] for line in shown.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in installed]


def install_command(names: list[str]) -> str:
    """The shell command by which a person installs `names`."""
    return "sudo apt-get install --yes --no-install-recommends " + " ".join(names)


def privilege() -> list[str] | None:
    """What to put before apt-get: nothing for root, sudo when it asks no password, None when neither is so."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:
        return [sudo, "-n"]
    return None


def ensure(progress: Progress, names: list[str] | None = None) -> None:
    """Install what is missing through apt; without the right to do so, raise BuildError with the exact command."""
    absent = missing(wanted() if names is None else names)
    if not absent:
        return
    bundled.refuse(", ".join(absent), "use a clone on Debian 12")
    prefix = privilege()
    if prefix is None:
        raise BuildError(f"{len(absent)} Debian packages are missing", f"run: {install_command(absent)}")
    apt_get = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=600"]
    remedy = f"try by hand: {install_command(absent)}"
    with progress.phase(f"installing {len(absent)} Debian packages"):
        progress.run([*apt_get, "update"], "apt-get update", remedy)
        install = [*apt_get, "install", "--yes", "--no-install-recommends", *absent]
        progress.run(install, "installing Debian packages", remedy)
