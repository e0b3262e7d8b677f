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
_REMEDY = "check the network, or give a checkout of BVLC/caffe: CAFFE_SRC=DIR"


@dataclass(frozen=True)
class DebianSource:
    """The upstream tarball inside Debian's source package: BVLC master but for documentation, without Debian's patches.

    Debian's own series is left out on purpose: tools/build/patches holds all that is needed, so that this source
    and a plain checkout go the same way.
    """

    downloads: Path  # folder that keeps the tarball between builds

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
        if not _is_intact(tarball):
            fetch_tarball(self.downloads, progress)
        target.mkdir(parents=True)
        progress.run(["tar", "-xzf", tarball, "-C", target], "unpacking the source", _REMEDY)


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


def choose(checkout: Path | None, downloads: Path) -> Source:
    """The checkout when one is named, else Debian's package; BuildError when the folder is no Caffe tree."""
    if checkout is None:
        return DebianSource(downloads)
    folder = checkout.expanduser().resolve()
    if not (folder / "src/caffe/proto/caffe.proto").is_file():
        raise BuildError(f"no Caffe source in {folder}", "give the top folder of a BVLC/caffe checkout")
    return Checkout(folder)


def fetch_tarball(downloads: Path, progress: Progress) -> None:
    """Fetch the tarball through apt, which verifies the archive's signature, into `downloads`.

    Works with an apt configuration of its own and without root: the machine's is read, never changed.
    """
    room = downloads / "apt"
    shutil.rmtree(room, ignore_errors=True)
    for folder in ("lists/partial", "cache/archives/partial", "sources"):
        (room / folder).mkdir(parents=True)
    (room / "sources/caffe.sources").write_text(deb822(archive_address(), keyring()))
    apt_get = ["apt-get", *apt_options(room)]
    progress.run([*apt_get, "update"], "reading Debian's package index", _REMEDY)
    fetch = [*apt_get, "source", "--download-only", "--tar-only", f"{PACKAGE}={VERSION}"]
    progress.run(fetch, "fetching Debian's source package", _REMEDY, cwd=downloads)
    shutil.rmtree(room)
    if not _is_intact(downloads / TARBALL):
        raise BuildError(f"{downloads / TARBALL} is not the expected file", f"delete it and {_REMEDY}", progress.log)


def apt_options(room: Path) -> list[str]:
    """Options that keep apt's lists, caches and sources inside `room`."""
    settings = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": room / "sources",
        "Dir::State::lists": room / "lists",
        "Dir::Cache": room / "cache",
        "APT::Sandbox::User": "root",  # apt's own user may not enter a home folder
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


def archive_address() -> str:
    """The address of the Debian archive in this machine's own apt configuration."""
    wanted = "$(REPO_URI)|$(ORIGIN)|$(LABEL)|$(COMPONENT)"
    shown = subprocess.run(
        ["apt-get", "indextargets", "--format", wanted, "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    address = pick_archive(shown.stdout)
    if address is None:
        raise BuildError("apt knows no Debian archive on this machine", "use CAFFE_SRC=DIR, a checkout of BVLC/caffe")
    return address


def pick_archive(targets: str) -> str | None:
    """The main Debian archive among lines `address|origin|label|component`; security and other archives are not it.

    Before the first `apt-get update` apt knows no origins; then the first address not named for security is taken.
    """
    rows = [line.split("|") for line in targets.splitlines() if line.count("|") == 3]
    for address, origin, label, component in rows:
        if (origin, label, component) == ("Debian", "Debian", "main"):
            return address
    unknown = [row[0] for row in rows if not row[1] or row[1].startswith("$")]
    return next((address for address in unknown if "security" not in address), None)


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
