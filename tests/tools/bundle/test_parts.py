"""What goes into a bundle and how its parts are packed."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from layers.common.errors import RarError
from tools.bundle import archive, contents, debian
from tools.bundle.__main__ import pack_all, part_of
from tools.bundle.origins import MANIFEST, Origin, Origins

SITE = "python/lib/python3/dist-packages"


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/usr/lib/python3/dist-packages/numpy/core/_umath.so", f"{SITE}/numpy/core/_umath.so"),
        ("/usr/lib/python3.11/os.py", "python/lib/python3.11/os.py"),
        ("/usr/share/matplotlib/mpl-data/matplotlibrc", f"{SITE}/matplotlib/mpl-data/matplotlibrc"),
        ("/usr/share/matplotlib/mpl-data/fonts/ttf/STIXGeneral.ttf", None),
        ("/usr/lib/python3/dist-packages/numpy/core/include/numpy/arrayobject.h", None),
        ("/usr/lib/python3/dist-packages/sklearn/tests/test_base.py", None),
        ("/usr/lib/python3/dist-packages/numpy/testing/utils.py", f"{SITE}/numpy/testing/utils.py"),
        ("/usr/lib/python3.11/lib-dynload/_tkinter.cpython-311-x86_64-linux-gnu.so", None),
        ("/usr/share/doc/python3-numpy/copyright", None),
    ],
)
def test_places(path: str, target: str | None) -> None:
    assert contents.place(path) == target


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("rar-caffe", "core"),
        ("project/models/README.md", "core"),
        ("project/models/compact/compact.caffemodel.h5", "model_compact"),
        ("cache/caffe-cpu-1/bin/caffe", "core"),
        ("cache/cupy-13.6.0-cuda-13.0/site/cupy/__init__.py", "cupy"),
        ("python/lib/python3/dist-packages/cv2/cv2.abi3.so", "cv2"),
    ],
)
def test_parts(name: str, part: str) -> None:
    assert part_of(name) == part


def test_the_same_files_make_the_same_bytes(tmp_path: Path) -> None:
    packed = []
    for number in (1, 2):
        root = tmp_path / str(number)
        for name in ("b/two", "a/one")[:: 1 if number == 1 else -1]:
            (root / name).parent.mkdir(parents=True)
            (root / name).write_text(name)
        (root / "a/one").chmod(0o755 if number == 1 else 0o700)
        (root / "link").symlink_to("a/one")
        (paths,) = archive.parts(root, lambda _: "all").values()
        archive.pack(root, paths, tmp_path / f"{number}.tar.xz", 1000)
        packed.append((tmp_path / f"{number}.tar.xz").read_bytes())
    assert packed[0] == packed[1]
    with tarfile.open(tmp_path / "1.tar.xz") as tar:
        members = {member.name: member for member in tar}
        assert set(members) == {"rar-caffe/a/one", "rar-caffe/b/two", "rar-caffe/link"}
        assert (members["rar-caffe/a/one"].mode, members["rar-caffe/b/two"].mode) == (0o755, 0o644)
        assert {(member.mtime, member.uid, member.uname) for member in members.values()} == {(1000, 0, "")}
        assert members["rar-caffe/link"].linkname == "a/one"


def test_all_parts_side_by_side(tmp_path: Path) -> None:
    """Each has its own files, and together they are the folder."""
    root, names = tmp_path / "rar-caffe", ("rar-caffe", f"{SITE}/cv2/cv2.abi3.so", "project/models/tiny/tiny.h5")
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    parts = pack_all(root, tmp_path, 1000)
    assert [part.name for part in parts] == [f"rar-caffe-{part}.tar.xz" for part in ("core", "cv2", "model_tiny")]
    for part, name in zip(parts, names, strict=True):
        with tarfile.open(part) as tar:
            assert tar.getnames() == [f"rar-caffe/{name}"]


def test_every_file_has_an_origin_and_a_licence(tmp_path: Path) -> None:
    origins = Origins(tmp_path)
    origins.write("project/COMMIT", "1234\n", Origin("rar-caffe", "1.0", "BSD"))
    package = debian.origin("python3-numpy")
    (module,) = (path for path in debian.files("python3-numpy") if path.endswith("numpy/__init__.py"))
    origins.copy(Path(module), "python/numpy.py", package)
    origins.finish()
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    assert manifest["origins"]["rar-caffe"] == {"version": "1.0", "licence": "BSD"}
    assert {name: row["from"] for name, row in manifest["files"].items()} == {
        "project/COMMIT": "rar-caffe",
        "python/numpy.py": "python3-numpy",
    }
    assert "NumPy" in (tmp_path / manifest["origins"]["python3-numpy"]["licence"]).read_text()
    (tmp_path / "stray").write_text("")
    with pytest.raises(RarError, match="stray: nobody says where this file is from"):
        origins.finish()


def test_what_no_package_owns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "libmine.so").write_text("")
    with pytest.raises(RarError, match=r"libmine.so is of no Debian package"):
        debian.owner(tmp_path / "libmine.so")
    assert debian.owner(Path("/lib64/ld-linux-x86-64.so.2")).name == "libc6"
