"""Where Caffe's source comes from: Debian's last source package of it, or a checkout of BVLC/caffe."""

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.build.errors import BuildError
from tools.build.progress import Progress

PACKAGE = "caffe"
VERSION = "1.0.0+git20180821.99bd997-8"
SUITE = "bullseye"
TARBALL = "caffe_1.0.0+git20180821.99bd997.orig.tar.gz"
TARBALL_SHA256 = "e0eb3f06794f7402c77b7dec8e8480273ee1a1bb192e9122b621a69d4147ad0c"
# What a build reads; a checkout's models, data and pictures are neither copied nor hashed.
BUILD_INPUTS = ("CMakeLists.txt", "LICENSE", "cmake", "docs", "examples", "include", "matlab", "python", "src", "tools")
_NOT_SOURCE = shutil.ignore_patterns(".git", "__pycache__", "*.pyc", "*.so", "*.ipynb", "*.jpg", "*_pb2.py")
_KEYRINGS = tuple(Path("/usr/share/keyrings") / f"debian-archive-keyring.{ending}" for ending in ("gpg", "pgp"))
WAYS_ON = (
    f"check the network; or give the tarball, CAFFE_TARBALL={TARBALL} (SHA-256 {TARBALL_SHA256[:12]}...); or a checkout"
    " of BVLC/caffe, CAFFE_SRC=DIR; or use a bundle of a machine that has it built (docs/bundle.md)"
)
_GONE = (
    f"no Debian archive in this machine's apt configuration has {SUITE} any more",
    f"add Debian's archive of old releases, which keeps {SUITE}, to /etc/apt/sources.list.d; or {WAYS_ON}",
)


@dataclass(frozen=True)
class DebianSource:
    """The upstream tarball inside Debian's source package: BVLC master but for documentation, without Debian's patches.

    Debian's own series is left out on purpose: tools/build/patches holds all that is needed, so that this source
    and a plain checkout go the same way.
    """

    downloads: Path  # folder that keeps the tarball between builds
    given: Path | None = None  # the same tarball, got by other ways

    @property
    def name(self) -> str:
        """Package and version, for people and for the cache key."""
        return f"Debian source package {PACKAGE} {VERSION}"

    def digest(self) -> str:
        """SHA-256 of the tarball."""
        return TARBALL_SHA256

    def unpack(self, target: Path, progress: Progress) -> None:
        """Put the source tree into `target`, fetching it when it is not here yet; BuildError when it cannot be had."""
        tarball = self.downloads / TARBALL
        if self.given:
            keep(self.given, tarball)
        elif not _is_intact(tarball):
            fetch_tarball(self.downloads, progress)
        target.mkdir(parents=True)
        progress.run(["tar", "-xzf", tarball, "-C", target], "unpacking the source", WAYS_ON)


@dataclass(frozen=True)
class Checkout:
    """A checkout of BVLC/caffe, copied before anything is done to it."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder, for people."""
        return f"checkout {self.folder}"

    def digest(self) -> str:
        """SHA-256 over the names and contents of all files that a build reads."""
        digest = hashlib.sha256()
        for top in BUILD_INPUTS:
            for file in sorted(_source_files(self.folder / top)):
                digest.update(str(file.relative_to(self.folder)).encode() + b"\0")
                digest.update(hashlib.sha256(file.read_bytes()).digest())
        return digest.hexdigest()

    def unpack(self, target: Path, progress: Progress) -> None:
        """Copy what a build reads into `target`."""
        target.mkdir(parents=True)
        for top in BUILD_INPUTS:
            here = self.folder / top
            if here.is_dir():
                shutil.copytree(here, target / top, ignore=_NOT_SOURCE)
            elif here.is_file():
                shutil.copy2(here, target / top)


Source = DebianSource | Checkout


def choose(checkout: Path | None, tarball: Path | None, downloads: Path) -> Source:
    """The checkout when one is named, else Debian's package; BuildError when the folder is no Caffe tree."""
    if checkout is None:
        return DebianSource(downloads, tarball)
    folder = checkout.expanduser().resolve()
    if not (folder / "src/caffe/proto/caffe.proto").is_file():
        raise BuildError(f"no Caffe source in {folder}", "give the top folder of a BVLC/caffe checkout")
    return Checkout(folder)


def keep(given: Path, tarball: Path) -> None:
    """Copy a tarball of the user's to where later builds find it; BuildError when it is not the very one."""
    if not given.is_file():
        raise BuildError(f"CAFFE_TARBALL={given}: no such file", f"give {TARBALL}")
    if not _is_intact(given):
        raise BuildError(f"{given} is not {TARBALL}", f"give the file whose SHA-256 is {TARBALL_SHA256}")
    tarball.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(given, tarball)


def fetch_tarball(downloads: Path, progress: Progress) -> None:
    """Fetch the tarball through apt, which verifies the archive's signature, into `downloads`.

    Works with an apt configuration of its own and without root: the machine's is read, never changed. All Debian
    archives named there are asked in turn, for the suite leaves the first one some day.
    """
    addresses = archive_addresses()
    for address in addresses:
        try:
            fetch_from(address, downloads, progress)
        except BuildError:
            if address == addresses[-1]:
                if _has_left(progress.log):
                    raise BuildError(*_GONE, progress.log) from None
                raise
        else:
            break
    if not _is_intact(downloads / TARBALL):
        raise BuildError(f"{downloads / TARBALL} is not the expected file", f"delete it and {WAYS_ON}", progress.log)


def fetch_from(address: str, downloads: Path, progress: Progress) -> None:
    """Fetch the tarball from one archive; BuildError when it does not have it."""
    room = downloads / "apt"
    shutil.rmtree(room, ignore_errors=True)
    for folder in ("lists/partial", "cache/archives/partial", "sources"):
        (room / folder).mkdir(parents=True)
    (room / "sources/caffe.sources").write_text(deb822(address, keyring()))
    apt_get = ["apt-get", *apt_options(room)]
    progress.run([*apt_get, "update"], "reading Debian's package index", WAYS_ON)
    fetch = [*apt_get, "source", "--download-only", "--tar-only", f"{PACKAGE}={VERSION}"]
    progress.run(fetch, "fetching Debian's source package", WAYS_ON, cwd=downloads)
    shutil.rmtree(room)


def _has_left(log: Path) -> bool:
    """Whether apt said that an archive answers and the suite is not there."""
    said = log.read_text(errors="replace")
    return "does not have a Release file" in said or f"Unable to find a source package for {PACKAGE}" in said


def apt_options(room: Path) -> list[str]:
    """Options that keep apt's lists, caches and sources inside `room`."""
    settings = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": room / "sources",
        "Dir::State::lists": room / "lists",
        "Dir::Cache": room / "cache",
        "APT::Sandbox::User": "root",  # apt's own user may not enter a home folder
        "Acquire::Check-Valid-Until": "false",  # an archive of old releases signs them no more; the tarball is pinned
    }
    return [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]


def deb822(address: str, signed_by: Path) -> str:
    """An apt source for the suite that holds the package."""
    return f"Types: deb-src\nURIs: {address}\nSuites: {SUITE}\nComponents: main\nSigned-By: {signed_by}\n"


def keyring() -> Path:
    """The Debian archive's public keys on this machine."""
    found = next((path for path in _KEYRINGS if path.is_file()), None)
    if found is None:
        raise BuildError("the Debian archive keyring is missing", "run: sudo apt-get install debian-archive-keyring")
    return found


def archive_addresses() -> list[str]:
    """The addresses of Debian archives in this machine's own apt configuration."""
    wanted = "$(REPO_URI)|$(ORIGIN)|$(LABEL)|$(COMPONENT)"
    shown = subprocess.run(
        ["apt-get", "indextargets", "--format", wanted, "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    addresses = pick_archives(shown.stdout)
    if not addresses:
        raise BuildError("apt knows no Debian archive on this machine", WAYS_ON)
    return addresses


def pick_archives(targets: str) -> list[str]:
    """The main Debian archives among lines `address|origin|label|component`; security and other archives are none.

    Before the first `apt-get update` apt knows no origins; then those are taken that are not named for security.
    """
    rows = [line.split("|") for line in targets.splitlines() if line.count("|") == 3]
    known = [row[0] for row in rows if row[1:] == ["Debian", "Debian", "main"]]
    unknown = [row[0] for row in rows if (not row[1] or row[1].startswith("$")) and "security" not in row[0]]
    return list(dict.fromkeys([*known, *unknown]))


def _is_intact(tarball: Path) -> bool:
    return tarball.is_file() and hashlib.sha256(tarball.read_bytes()).hexdigest() == TARBALL_SHA256


def _source_files(top: Path) -> list[Path]:
    if not top.is_dir():
        return [top] if top.is_file() else []
    found: list[Path] = []
    for folder, folders, files in os.walk(top):
        skipped = _NOT_SOURCE(folder, [*folders, *files])
        folders[:] = [name for name in folders if name not in skipped]
        found.extend(Path(folder, name) for name in files if name not in skipped)
    return found
