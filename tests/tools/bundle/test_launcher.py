"""The bundle's launcher before anything of it runs: what it says on a machine that lacks something."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.bundle.launchers import FILES, launcher, program
from tools.bundle.origins import Origin, Origins

OURS = Origin("rar-caffe", "1", "BSD")
SHOWN = ("RAR_BUNDLE", "PYTHONPATH", "LD_LIBRARY_PATH", "PYTHONPYCACHEPREFIX", "PYTHONHOME")
SHOW = "\n".join(["#!/bin/sh", *(f'echo "{name}=${name}"' for name in SHOWN), 'echo "args=$*"', ""])


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle's folder whose Python shows what it was given."""
    root = tmp_path / "a bundle"
    origins = Origins(root)
    launcher(origins, OURS)
    origins.write("python/bin/python3", SHOW, OURS, 0o755)
    origins.write("project/rar-caffe", "", OURS)
    origins.write("cache/selected-1/manifest.json", '{"cuda": ""}', OURS)
    origins.write("python/lib/python3/dist-packages/cv2/__init__.py", "", OURS)
    return root


def start(bundle: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The launcher, on a machine that has a shell and nothing else."""
    env = {"PATH": "/usr/bin:/bin", "HOME": str(bundle.parent), **variables}
    return subprocess.run([bundle / "rar-caffe", *words], env=env, capture_output=True, text=True, check=False)


def shown(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert done.returncode == 0, done.stderr
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def python_with(folder: Path, module: str, text: str = "") -> str:
    """A folder for the PATH whose python3 has one more module."""
    (folder / "site" / module).mkdir(parents=True)
    (folder / "site" / module / "__init__.py").write_text(text)
    script = folder / "bin" / "python3"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}/site" exec /usr/bin/python3 "$@"\n')
    script.chmod(0o755)
    return f"{script.parent}:/usr/bin:/bin"


def test_words_and_surroundings(bundle: Path) -> None:
    given = shown(start(bundle, "detect", "my photo.jpg", PYTHONHOME="/elsewhere"))
    assert given["args"] == f"{bundle}/project/rar-caffe detect my photo.jpg"
    assert (given["RAR_BUNDLE"], given["PYTHONHOME"], given["LD_LIBRARY_PATH"]) == (str(bundle), "", "")


def test_started_by_a_link_from_elsewhere(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "rar").symlink_to(bundle / "rar-caffe")
    done = subprocess.run([tmp_path / "rar"], cwd="/", capture_output=True, text=True, check=True)
    assert shown(done)["RAR_BUNDLE"] == str(bundle)


def test_without_opencv(bundle: Path, tmp_path: Path) -> None:
    (bundle / "python/lib/python3/dist-packages/cv2/__init__.py").unlink()
    (bundle / "python/lib/python3/dist-packages/cv2").rmdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "empty" / "python3").chmod(0o755)
    done = start(bundle, PATH=f"{tmp_path}/empty:/usr/bin:/bin")
    (line,) = done.stderr.splitlines()
    assert (done.returncode, "unpack the part cv2" in line) == (1, True)
    path = python_with(tmp_path / "host", "cv2")
    given = shown(start(bundle, PATH=path, XDG_CACHE_HOME=str(tmp_path / "cache")))
    assert (Path(given["PYTHONPATH"]) / "cv2").resolve() == tmp_path / "host/site/cv2"
    given = shown(start(bundle, XDG_CACHE_HOME=str(tmp_path / "cache"), RAR_CV2=str(tmp_path / "host/site/cv2")))
    assert (Path(given["PYTHONPATH"]) / "cv2").resolve() == tmp_path / "host/site/cv2"
    for words, variables in (("no such folder", {"RAR_CV2": "/none"}), ("set XDG_CACHE_HOME", {"PATH": path})):
        done = start(bundle, XDG_CACHE_HOME="/dev/null", **variables)
        assert done.returncode == 1 and words in done.stderr.splitlines()[-1]


def test_a_program_that_starts_it_again(bundle: Path, tmp_path: Path) -> None:
    """Then the python3 on the path is the bundle's own, which has neither OpenCV nor NVIDIA's packages."""
    shutil.rmtree(bundle / "python/lib/python3/dist-packages/cv2")
    (bundle / "cache/selected-1/manifest.json").write_text('{"cuda": "13.0"}')
    path = python_with(tmp_path / "host", "cv2")
    libraries = tmp_path / "host/site/nvidia/cublas/lib"
    libraries.mkdir(parents=True)
    (tmp_path / "host/site/nvidia/__init__.py").write_text("")
    variables = {"PATH": path, "XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": "/mine"}
    once = shown(start(bundle, **variables))
    again = """#!/bin/sh
if [ -n "${AGAIN:-}" ]; then exec "$RAR_BUNDLE/show"; fi
AGAIN=1 PATH="$RAR_BUNDLE/own:/bin" exec "$RAR_BUNDLE/rar-caffe"
"""
    (bundle / "own").mkdir()
    for name, text in {"show": SHOW, "own/python3": "#!/bin/sh\nexit 1\n", "python/bin/python3": again}.items():
        (bundle / name).write_text(text)
        (bundle / name).chmod(0o755)
    twice = shown(start(bundle, **variables))
    assert {**twice, "args": ""} == {**once, "args": ""}
    assert once["PYTHONPATH"].endswith(":/mine") and once["LD_LIBRARY_PATH"].startswith(str(libraries))


def test_libraries_of_cuda(bundle: Path, tmp_path: Path) -> None:
    (bundle / "cache/selected-1/manifest.json").write_text('{"cuda": "13.0"}')
    assert (
        shown(start(bundle, RAR_NVIDIA="/nv/a:/nv/b", LD_LIBRARY_PATH="/mine"))["LD_LIBRARY_PATH"]
        == "/nv/a:/nv/b:/mine"
    )
    path = python_with(tmp_path / "host", "nvidia")
    (tmp_path / "host/site/nvidia/cublas/lib").mkdir(parents=True)
    first = shown(start(bundle, PATH=path))["LD_LIBRARY_PATH"].split(":")[0]
    assert first == str(tmp_path / "host/site/nvidia/cublas/lib")
    (tmp_path / "cuda" / "lib64").mkdir(parents=True)
    assert str(tmp_path / "cuda/lib64") in shown(start(bundle, CUDA_HOME=str(tmp_path / "cuda")))["LD_LIBRARY_PATH"]


def test_scripts_of_programs(tmp_path: Path) -> None:
    origins = Origins(tmp_path / "a b")
    origins.write("cache/x/bin/real/tool", '#!/bin/sh\necho "$HOME_OF_ALL:$*"\n', OURS, 0o755)
    program(origins, "cache/x/bin/tool", "cache/x/bin/real/tool", OURS, 'export HOME_OF_ALL="$root/python"')
    command = [str(tmp_path / "a b/cache/x/bin/tool"), "one", "two three"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    home, _, words = done.stdout.strip().partition(":")
    assert (Path(home).resolve(), words) == (tmp_path / "a b/python", "one two three")


@pytest.mark.parametrize("name", ["rar-caffe.sh", "program.sh"])
def test_any_shell_can_read_them(name: str) -> None:
    assert subprocess.run(["dash", "-n", FILES / name], check=False).returncode == 0
    assert os.access("/bin/sh", os.X_OK)
