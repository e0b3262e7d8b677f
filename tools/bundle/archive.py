"""A bundle's parts as .tar.xz: the same files make the same bytes, whoever packs them and when."""

from __future__ import annotations

import lzma
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

NAME = "rar-caffe"  # the folder that all parts unpack into
WINDOW = 64 << 20  # bytes of xz's dictionary: as much memory is needed to unpack


def pack(root: Path, paths: Iterable[Path], target: Path, time: int) -> int:
    """Pack files and links below `root`; the size in bytes. time: seconds since 1970, of every file."""

    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        info.mtime = time
        info.mode = 0o755 if info.mode & 0o100 else 0o644
        return info

    filters = [
        {"id": lzma.FILTER_X86},
        {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": WINDOW},
    ]
    unfinished = target.with_name(f".{target.name}")
    with (
        lzma.open(unfinished, "wb", filters=filters) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(paths, key=lambda path: (path.suffix, path)):  # like beside like packs better
            tar.add(path, f"{NAME}/{path.relative_to(root)}", recursive=False, filter=plain)
    unfinished.replace(target)
    return target.stat().st_size


def parts(root: Path, part_of: Callable[[str], str]) -> dict[str, list[Path]]:
    """The files and links of a bundle by the part that each goes into."""
    divided: dict[str, list[Path]] = {}
    for path in root.rglob("*"):
        if path.is_symlink() or path.is_file():
            divided.setdefault(part_of(str(path.relative_to(root))), []).append(path)
    return divided
