"""The Caffe build: its key, its cache, its patches, its sources, what it says when something is missing."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tools.build import __main__ as build_caffe
from tools.build import compile as compiling
from tools.build import cuda, cupy, gpu_libraries, nvidia_packages, patching, recipe, source, system_packages
from tools.build.cache import MANIFEST, Cache, root
from tools.build.errors import BuildError
from tools.build.progress import Progress, likely_remedy

PROJECT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "-m", "tools.build"]


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """An empty cache."""
    return Cache(tmp_path / "cache")


@pytest.fixture
def progress(tmp_path: Path) -> Progress:
    """Progress that logs into the test's own folder."""
    return Progress(tmp_path / "test.log")


@pytest.fixture
def plain_tree(tmp_path: Path, progress: Progress) -> Path:
    """Caffe's source as upstream released it, without anyone's patches."""
    tree = tmp_path / "plain"
    source.DebianSource(root() / "source").unpack(tree, progress)
    return tree


def small_checkout(folder: Path) -> Path:
    """Just enough of a tree to be taken for Caffe's."""
    for name, text in {
        "CMakeLists.txt": "project(Caffe)\n",
        "src/caffe/proto/caffe.proto": 'syntax = "proto2";\n',
        "src/caffe/net.cpp": "int net;\n",
        "data/large.bin": "not read by a build",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def tree_hash(tree: Path) -> str:
    """One number for all names and contents of a tree."""
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    parts = [f"{path.relative_to(tree)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def script(path: Path, text: str) -> Path:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


class TestKey:
    """What makes a new build necessary."""

    def test_is_stable_and_tells_the_variant(self, tmp_path: Path) -> None:
        made = recipe.Recipe(source.DebianSource(tmp_path))
        assert made.name() == made.name()
        assert made.name().startswith("caffe-cpu-")

    def test_changes_with_a_patch(self, tmp_path: Path) -> None:
        patches = tmp_path / "patches"
        shutil.copytree(patching.PATCHES, patches)
        origin = source.DebianSource(tmp_path)
        before = recipe.Recipe(origin, patches=patches).name(), recipe.selection_key(patches)
        assert before == (recipe.Recipe(origin).name(), recipe.selection_key())
        (patches / "0999-more.patch").write_text("--- a/x\n+++ b/x\n")
        assert recipe.Recipe(origin, patches=patches).name() != before[0]
        assert recipe.selection_key(patches) != before[1]

    def test_changes_with_the_source_and_not_with_what_a_build_never_reads(self, tmp_path: Path) -> None:
        tree = small_checkout(tmp_path / "caffe")
        before = recipe.Recipe(source.choose(tree, None, tmp_path)).name()
        (tree / "data/large.bin").write_text("other data")
        (tree / "src/caffe/__pycache__").mkdir()
        (tree / "src/caffe/__pycache__/x.pyc").write_text("x")
        assert recipe.Recipe(source.choose(tree, None, tmp_path)).name() == before
        (tree / "src/caffe/net.cpp").write_text("int net = 1;\n")
        assert recipe.Recipe(source.choose(tree, None, tmp_path)).name() != before

    def test_changes_with_cuda_and_its_architectures(self, tmp_path: Path) -> None:
        home = tmp_path / "cuda"
        nvcc = script(home / "bin/nvcc", "echo release 13.0")
        for name in cuda.LIBRARIES:
            (home / "lib64").mkdir(exist_ok=True)
            (home / f"lib64/lib{name}.so").touch()
        (home / "include").mkdir()
        origin = source.DebianSource(tmp_path)
        names = {recipe.Recipe(origin, cuda.Cuda(nvcc, (home,), arch)).name() for arch in (("86",), ("86", "90"))}
        assert len(names | {recipe.Recipe(origin).name()}) == 3
        assert sum(name.startswith("caffe-cuda-") for name in names) == 2
        for version in ("9.28.1", "8.9.7"):
            cudnn = gpu_libraries.Library(gpu_libraries.CUDNN, home / "include", home / "lib64/libcudnn.so", version)
            names.add(recipe.Recipe(origin, cuda.Cuda(nvcc, (home,), ("90",), (cudnn,))).name())
        assert len(names) == 4


class TestCache:
    """Finished or not there at all."""

    def test_a_finished_folder_is_found_and_selected(self, cache: Cache) -> None:
        with cache.lock(pytest.fail), cache.staging("caffe-cpu-1") as folder:
            (folder / MANIFEST).write_text("{}")
        assert cache.has("caffe-cpu-1")
        assert cache.selected("key") is None
        cache.select("key", "caffe-cpu-1")
        assert cache.selected("key") == cache.path("caffe-cpu-1")
        shutil.rmtree(cache.path("caffe-cpu-1"))
        assert cache.selected("key") is None

    def test_a_failure_leaves_nothing(self, cache: Cache) -> None:
        cache.folder.mkdir()
        with pytest.raises(KeyboardInterrupt), cache.staging("caffe-cpu-1") as folder:
            (folder / "bin").mkdir()
            raise KeyboardInterrupt
        assert list(cache.folder.iterdir()) == []

    def test_what_a_killed_build_left_is_cleared(self, cache: Cache) -> None:
        cache.folder.mkdir()
        killed = (
            "import os; from pathlib import Path; from tools.build.cache import Cache\n"
            f"with Cache(Path({str(cache.folder)!r})).staging('caffe-cpu-1') as folder:\n"
            "    (folder / 'manifest.json').write_text('{}'); os.kill(os.getpid(), 9)"
        )
        subprocess.run([sys.executable, "-c", killed], cwd=PROJECT, check=False)
        assert len(list(cache.folder.iterdir())) == 1
        assert not cache.has("caffe-cpu-1")
        with cache.staging("caffe-cpu-2") as folder:
            (folder / MANIFEST).write_text("{}")
        assert [path.name for path in cache.folder.iterdir()] == ["caffe-cpu-2"]

    def test_two_builds_take_turns(self, cache: Cache) -> None:
        order: list[str] = []

        def second() -> None:
            with cache.lock(lambda: order.append("waits")):
                order.append("second")

        with cache.lock(pytest.fail):
            thread = threading.Thread(target=second)
            thread.start()
            while not order:
                time.sleep(0.01)
            order.append("first is done")
        thread.join()
        assert order == ["waits", "first is done", "second"]

    def test_follows_the_environment(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("RAR_CACHE", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert root() == tmp_path / "rar-caffe"
        monkeypatch.setenv("RAR_CACHE", str(tmp_path / "own"))
        assert root() == tmp_path / "own"


class TestCommand:
    """`python3 -m tools.build` as a whole."""

    def test_second_call_is_fast_and_prints_the_folder(self) -> None:
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        done = subprocess.run(COMMAND, cwd=PROJECT, capture_output=True, text=True, check=True)
        assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 1
        assert (Path(done.stdout.strip()) / "bin/caffe").is_file()
        assert done.stderr == ""

    def test_an_interrupted_build_leaves_nothing_that_looks_finished(self, cache: Cache) -> None:
        (cache.folder / "source").mkdir(parents=True)
        tarball = root() / "source" / source.TARBALL
        if tarball.is_file():
            shutil.copy(tarball, cache.folder / "source")
        env = {name: value for name, value in os.environ.items() if name != "CAFFE_SRC"}
        env["RAR_CACHE"] = str(cache.folder)
        # Tests run in the background ignore Ctrl-C, and so would what they start.
        command = ["env", "--default-signal=INT", *COMMAND]
        for polite, delay in ((signal.SIGINT, 0.0), (signal.SIGTERM, 0.5)):
            process = subprocess.Popen(
                command, cwd=PROJECT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            assert process.stderr is not None
            while "configuring" not in process.stderr.readline():
                assert process.poll() is None
            time.sleep(delay)  # while a program is being started, and while it runs
            process.send_signal(polite)
            output, errors = process.communicate(timeout=600)
            assert process.returncode == 130
            assert output == ""
            assert errors.splitlines()[-1].startswith("make caffe: interrupted")
            assert sorted(path.name for path in cache.folder.iterdir()) == ["lock", "logs", "source"]

    def test_a_failure_is_one_line(
        self, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("RAR_CACHE", str(cache.folder))
        monkeypatch.setenv("CAFFE_SRC", str(tmp_path / "nothing"))
        assert build_caffe.main([]) == 1
        output, errors = capsys.readouterr()
        assert (output, len(errors.splitlines())) == ("", 1)
        assert f"no Caffe source in {tmp_path / 'nothing'}" in errors

    def test_a_source_that_the_patches_do_not_fit_is_named(
        self, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("RAR_CACHE", str(cache.folder))
        assert build_caffe.main(["--source", str(small_checkout(tmp_path / "caffe"))]) == 1
        assert "0002-protobuf-total-bytes-limit.patch does not fit" in capsys.readouterr().err.splitlines()[-1]
        assert not list(cache.folder.glob("caffe-*"))


class TestProgress:
    """Little on the screen, all of it in the log."""

    def test_output_goes_to_the_log(self, progress: Progress, capsys: pytest.CaptureFixture[str]) -> None:
        with progress.phase("compiling"):
            progress.run(["sh", "-c", "echo details; echo '[ 26%] Building'; echo '[100%] Built'"], "compiling")
        shown = [line.split("  ", 1)[1].strip() for line in capsys.readouterr().err.splitlines()]
        assert shown == ["compiling", "25 %", "100 %"]
        assert "details\n[ 26%] Building" in progress.log.read_text()

    def test_a_failing_command_is_named_with_its_log_and_remedy(self, progress: Progress) -> None:
        with pytest.raises(BuildError, match="compiling Caffe failed") as caught:
            progress.run(["sh", "-c", "echo fatal error; exit 3"], "compiling Caffe", "see there")
        assert str(progress.log) in str(caught.value)
        assert str(caught.value).endswith("see there")
        assert "fatal error" in progress.log.read_text()

    def test_a_missing_command_is_named(self, progress: Progress) -> None:
        with pytest.raises(BuildError, match="no-such-program is not installed"):
            progress.run(["no-such-program"], "trying")

    def test_the_log_starts_anew(self, progress: Progress) -> None:
        progress.log.write_text("No space left on device")
        with pytest.raises(BuildError, match="otherwise"):
            progress.run(["false"], "trying", "otherwise")

    @pytest.mark.parametrize(
        ("output", "remedy"),
        [
            ("cp: No space left on device", "RAR_CACHE"),
            ("g++: fatal error: Killed signal terminated program", "JOBS=1"),
        ],
    )
    def test_common_causes_have_a_remedy(self, output: str, remedy: str) -> None:
        assert remedy in likely_remedy(output, "none")


class TestPatches:
    """Our series is all that a plain tree needs."""

    def test_fits_the_plain_source_and_bears_a_second_run(self, plain_tree: Path, progress: Progress) -> None:
        before = tree_hash(plain_tree)
        patching.apply_all(plain_tree, progress)
        once = tree_hash(plain_tree)
        patching.apply_all(plain_tree, progress)
        assert before != once == tree_hash(plain_tree)
        assert not list(plain_tree.rglob("*.orig")) + list(plain_tree.rglob("*.rej"))

    def test_each_says_why(self) -> None:
        for patch in patching.series():
            reason = patch.read_text().partition("\n--- ")[0]
            assert len(reason.split()) > 15, patch.name

    def test_a_patch_that_does_not_fit_is_named(self, tmp_path: Path, progress: Progress) -> None:
        patches = tmp_path / "patches"
        patches.mkdir()
        (patches / "0001-off.patch").write_text("--- a/CMakeLists.txt\n+++ b/CMakeLists.txt\n@@ -1 +1 @@\n-no\n+yes\n")
        with pytest.raises(BuildError, match=r"0001-off.patch does not fit"):
            patching.apply_all(small_checkout(tmp_path / "caffe"), progress, patches)

    def test_a_patch_that_is_there_in_part_is_named(self, tmp_path: Path, progress: Progress) -> None:
        patches, tree = tmp_path / "patches", tmp_path / "caffe"
        patches.mkdir()
        tree.mkdir()
        (tree / "one").write_text("new\n")
        (tree / "other").write_text("old\n")
        parts = (f"--- a/{name}\n+++ b/{name}\n@@ -1 +1 @@\n-old\n+new\n" for name in ("one", "other"))
        (patches / "0001-half.patch").write_text("".join(parts))
        with pytest.raises(BuildError, match=r"0001-half.patch does not fit"):
            patching.apply_all(tree, progress, patches)


class TestSource:
    """Debian's source package, or a checkout."""

    def test_debian_gives_the_plain_upstream_tree(self, plain_tree: Path) -> None:
        assert (plain_tree / "src/caffe/proto/caffe.proto").is_file()
        assert not (plain_tree / "debian").exists()

    def test_a_checkout_is_copied_and_never_changed(self, plain_tree: Path, tmp_path: Path, progress: Progress) -> None:
        before = tree_hash(plain_tree)
        copy = tmp_path / "copy"
        source.choose(plain_tree, None, tmp_path).unpack(copy, progress)
        patching.apply_all(copy, progress)
        assert tree_hash(plain_tree) == before
        for name in ("CMakeLists.txt", "LICENSE", "src/caffe/net.cpp", "python/caffe/net_spec.py", "tools/caffe.cpp"):
            assert (copy / name).is_file()

    def test_a_broken_download_is_not_used(
        self, tmp_path: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / source.TARBALL).write_text("cut short")
        fetched: list[Path] = []
        monkeypatch.setattr(source, "fetch_tarball", lambda folder, _: fetched.append(folder))
        with pytest.raises(BuildError, match="unpacking the source failed"):
            source.DebianSource(tmp_path).unpack(tmp_path / "tree", progress)
        assert fetched == [tmp_path]

    def test_a_tarball_of_ones_own(self, plain_tree: Path, tmp_path: Path, progress: Progress) -> None:
        assert plain_tree.is_dir()  # so the tarball is in the cache
        given, downloads = root() / "source" / source.TARBALL, tmp_path / "downloads"
        source.choose(None, given, downloads).unpack(tmp_path / "tree", progress)
        assert (tmp_path / "tree/src/caffe/proto/caffe.proto").is_file()
        assert (downloads / source.TARBALL).read_bytes() == given.read_bytes()

    def test_another_tarball_is_refused(self, tmp_path: Path, progress: Progress) -> None:
        other = tmp_path / source.TARBALL
        for text, complaint in ((None, "no such file"), ("another", f"SHA-256 is {source.TARBALL_SHA256}")):
            if text:
                other.write_text(text)
            with pytest.raises(BuildError, match=complaint):
                source.choose(None, other, tmp_path / "downloads").unpack(tmp_path / "tree", progress)
        assert not (tmp_path / "downloads").exists()

    def test_a_suite_that_has_left_is_one_line_with_every_way_on(
        self, tmp_path: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(source, "SUITE", "wheezy")  # it left Debian's main archive in 2019
        with pytest.raises(BuildError) as caught:
            source.fetch_tarball(tmp_path, progress)
        (line,) = str(caught.value).splitlines()
        for way in ("archive of old releases", "CAFFE_TARBALL=", "CAFFE_SRC=DIR", "bundle"):
            assert way in line

    def test_all_archives_are_asked(
        self, tmp_path: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []

        def fetch(address: str, downloads: Path, _: Progress) -> None:
            asked.append(address)
            if address == "new":
                raise BuildError("not there", "")
            shutil.copy(root() / "source" / source.TARBALL, downloads)

        monkeypatch.setattr(source, "archive_addresses", lambda: ["new", "old", "older"])
        monkeypatch.setattr(source, "fetch_from", fetch)
        source.fetch_tarball(tmp_path, progress)
        assert asked == ["new", "old"]

    def test_the_archives_are_those_apt_uses_here(self) -> None:
        for address in source.archive_addresses():
            assert "://" in address or address.startswith(("file:", "mirror"))
        assert source.keyring().is_file()

    @pytest.mark.parametrize(
        ("targets", "addresses"),
        [
            ("sec|Debian|Debian-Security|main\nown|Other|Other|main\ndeb|Debian|Debian|main", ["deb"]),
            ("new|Debian|Debian|main\nnew|Debian|Debian|main\nold|Debian|Debian|main", ["new", "old"]),
            ("x/security|||\nmain|||", ["main"]),
            ("x/security|$(ORIGIN)|$(LABEL)|main\nmain|$(ORIGIN)|$(LABEL)|main", ["main"]),
            ("own|Other|Other|main", []),
            ("", []),
        ],
    )
    def test_other_archives_are_passed_over(self, targets: str, addresses: list[str]) -> None:
        assert source.pick_archives(targets) == addresses


class TestSystemPackages:
    """What must come from Debian."""

    def test_the_list_is_plain(self) -> None:
        names = system_packages.wanted()
        assert {"cmake", "libopenblas-dev", "python3-numpy", "python3-venv"} <= set(names)
        assert len(names) == len(set(names))
        assert not [name for name in names if " " in name]

    def test_none_of_it_is_missing_here(self) -> None:
        assert system_packages.missing(system_packages.wanted()) == []

    def test_the_missing_are_told_apart(self) -> None:
        assert system_packages.missing(["dpkg", "no-such-package-here", "apt"]) == ["no-such-package-here"]

    def test_without_the_right_to_install_the_exact_command_is_told(
        self, progress: Progress, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(system_packages, "privilege", lambda: None)
        with pytest.raises(BuildError) as caught:
            system_packages.ensure(progress, ["dpkg", "no-such-package-here", "nor-this"])
        command = "sudo apt-get install --yes --no-install-recommends no-such-package-here nor-this"
        assert str(caught.value) == f"2 Debian packages are missing; run: {command}"


class TestCompile:
    """How the compiler is called."""

    def test_other_toolchains_stay_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "/opt/conda/bin:/usr/bin")
        monkeypatch.setenv("CMAKE_PREFIX_PATH", "/opt/conda")
        monkeypatch.setenv("CXXFLAGS", "-march=native")
        env = compiling.clean_environment()
        assert "conda" not in "".join(env.values())
        assert "CXXFLAGS" not in env

    def test_jobs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CAFFE_JOBS", raising=False)
        assert 1 <= compiling.jobs() <= len(os.sched_getaffinity(0))
        monkeypatch.setenv("CAFFE_JOBS", "3")
        assert compiling.jobs() == 3
        monkeypatch.setenv("CAFFE_JOBS", "many")
        with pytest.raises(BuildError, match="CAFFE_JOBS=many"):
            compiling.jobs()


class TestCuda:
    """Which toolkit, which GPUs."""

    @pytest.mark.parametrize(
        ("wanted", "architectures"),
        [("9.0", ("90",)), ("86 90", ("86", "90")), ("12.0;8.6", ("86", "120")), ("sm_80,80", ("80",))],
    )
    def test_architectures_wanted(self, wanted: str, architectures: tuple[str, ...]) -> None:
        assert cuda.choose_architectures(wanted) == architectures

    def test_an_unknown_architecture_is_named(self) -> None:
        with pytest.raises(BuildError, match="no CUDA architecture: hopper"):
            cuda.choose_architectures("90 hopper")

    def test_architectures_of_the_gpus_present(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        script(tmp_path / "nvidia-smi", "printf '8.6\\n8.6\\n12.0\\n'")
        assert cuda.choose_architectures("") == ("86", "120")
        script(tmp_path / "nvidia-smi", "echo NVIDIA-SMI has failed; exit 9")
        assert cuda.choose_architectures(" ") == (cuda.DEFAULT_ARCHITECTURE,)

    def test_a_gpu_too_old_for_the_toolkit_is_named(self, tmp_path: Path) -> None:
        nvcc = script(
            tmp_path / "nvcc", 'case "$1" in --version) echo release 13.0;; *) echo compute_75 compute_90;; esac'
        )
        cuda.check_support(nvcc, ("75", "90"))
        with pytest.raises(BuildError, match=r"CUDA 13.0 cannot compile for sm_61; choose CUDA_ARCH from 75 90"):
            cuda.check_support(nvcc, ("61", "90"))

    def test_a_wrong_cuda_home_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CUDA_HOME", str(tmp_path))
        with pytest.raises(BuildError, match=f"no bin/nvcc in CUDA_HOME={tmp_path}"):
            cuda.toolkit_home()

    def test_libraries_come_from_the_toolkit_first_and_then_from_packages(self, tmp_path: Path) -> None:
        home, fetched = tmp_path / "cuda", tmp_path / "fetched"
        package = fetched / "site/nvidia/cu13"
        for path in (home / "lib64/libcudart.so", package / "lib/libcudart.so.13", package / "lib/libcublas.so.13"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        folders = (home, *nvidia_packages.package_folders(fetched))
        assert folders == (home, package)
        assert nvidia_packages.find_library(folders, "cudart") == home / "lib64/libcudart.so"
        assert nvidia_packages.find_library(folders, "cublas") == package / "lib/libcublas.so.13"
        assert nvidia_packages.find_library(folders, "curand") is None
        assert not cuda.is_complete(folders)

    def test_says_in_one_line_whether_a_gpu_works(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        caffe = script(tmp_path / "caffe", "echo 'I 1] Name:       NVIDIA X1' >&2")
        assert cuda.gpu_report(caffe) == "GPU 0 works: NVIDIA X1"
        failure = "Check failed: error == cudaSuccess (35 vs. 0)  CUDA driver version is insufficient"
        script(tmp_path / "caffe", f"echo '{failure}' >&2; exit 134")
        monkeypatch.setattr(cuda, "driver_present", lambda: True)
        assert "no usable GPU here (CUDA driver version is insufficient)" in cuda.gpu_report(caffe)
        monkeypatch.setattr(cuda, "driver_present", lambda: False)
        assert "no usable GPU here (the NVIDIA driver is missing)" in cuda.gpu_report(caffe)


def cudnn_in(folder: Path, version: str = "9.28.1") -> Path:
    """A folder with what tells cuDNN: headers and a library."""
    for name in ("include", "lib"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    major, minor, patch = version.split(".")
    macros = f"#define CUDNN_MAJOR {major}\n#define CUDNN_MINOR {minor}\n#define CUDNN_PATCHLEVEL {patch}\n"
    (folder / "include/cudnn.h").write_text("" if int(major) >= 8 else macros)
    if int(major) >= 8:
        (folder / "include/cudnn_version.h").write_text(macros)
    (folder / f"lib/libcudnn.so.{major}").touch()
    return folder


class TestGpuLibraries:
    """cuDNN and NCCL: found, wanted, not wanted."""

    @pytest.fixture(autouse=True)
    def alone(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Neither the environment's wishes nor what this machine has."""
        for name in ("CUDNN", "CUDNN_HOME", "NCCL", "NCCL_HOME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(gpu_libraries, "USUAL", (tmp_path / "usr/local", tmp_path / "usr"))
        monkeypatch.setattr(gpu_libraries, "fetch", lambda *_, **__: pytest.fail("nobody asked for a download"))

    @staticmethod
    def chosen(cache: Cache, progress: Progress, *toolkit: Path) -> gpu_libraries.Library | None:
        return gpu_libraries.choose(gpu_libraries.CUDNN, toolkit, "13", cache, progress)

    @pytest.mark.parametrize("version", ["7.6.5", "8.9.7", "9.28.1"])
    def test_beside_the_toolkit_or_in_the_usual_places(
        self, cache: Cache, progress: Progress, tmp_path: Path, version: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        cudnn_in(tmp_path / "usr", "6.0.0")
        assert (usual := self.chosen(cache, progress)) and usual.version == "6.0.0"
        home = cudnn_in(tmp_path / "cuda", version)
        assert (found := self.chosen(cache, progress, home))
        library = home / f"lib/libcudnn.so.{version[0]}"
        assert (found.version, found.include, found.shared) == (version, home / "include", library)
        assert f"with CUDNN {version}: {library}" in capsys.readouterr().err.splitlines()[-1]
        assert found.flags() == ["-DUSE_CUDNN=ON", f"-DCUDNN_INCLUDE={home}/include", f"-DCUDNN_LIBRARY={library}"]

    def test_in_debians_folders(self, cache: Cache, progress: Progress, tmp_path: Path) -> None:
        plain = cudnn_in(tmp_path / "plain")
        for name in ("include", "lib"):
            shutil.copytree(plain / name, tmp_path / "usr" / name / nvidia_packages.MULTIARCH)
        assert (found := self.chosen(cache, progress)) and found.version == "9.28.1"

    def test_a_header_without_a_library_is_not_enough(self, cache: Cache, progress: Progress, tmp_path: Path) -> None:
        (cudnn_in(tmp_path / "usr") / "lib/libcudnn.so.9").unlink()
        assert self.chosen(cache, progress) is None

    def test_without_it_one_line_says_so_and_what_to_do(
        self, cache: Cache, progress: Progress, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.chosen(cache, progress) is None
        (line,) = capsys.readouterr().err.splitlines()
        assert "without CUDNN, none found" in line and "CUDNN=1 fetches it" in line

    def test_left_out_when_told_so(
        self, cache: Cache, progress: Progress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CUDNN", "0")
        assert self.chosen(cache, progress, cudnn_in(tmp_path / "cuda")) is None

    def test_its_home_comes_first_and_a_wrong_one_is_named(
        self, cache: Cache, progress: Progress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        toolkit = cudnn_in(tmp_path / "cuda")
        monkeypatch.setenv("CUDNN_HOME", str(cudnn_in(tmp_path / "own", "8.9.7")))
        assert (found := self.chosen(cache, progress, toolkit)) and found.version == "8.9.7"
        monkeypatch.setenv("CUDNN_HOME", str(tmp_path / "empty"))
        with pytest.raises(BuildError, match=f"no cudnn.h with its library in CUDNN_HOME={tmp_path}/empty"):
            self.chosen(cache, progress, toolkit)

    def test_fetched_only_when_asked_for(
        self, cache: Cache, progress: Progress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[list[str]] = []

        def fetch(cache: Cache, progress: Progress, name: str, wanted: list[str], remedy: str, *, alone: bool) -> Path:
            asked.append(wanted)
            cudnn_in(tmp_path / name / "site/nvidia/cudnn")
            return tmp_path / name

        monkeypatch.setattr(gpu_libraries, "fetch", fetch)
        assert self.chosen(cache, progress) is None and not asked
        monkeypatch.setenv("CUDNN", "1")
        assert (found := self.chosen(cache, progress)) and found.shared.is_file()
        assert asked == [["nvidia-cudnn-cu13==9.*"]]

    def test_another_wish_is_refused(self, cache: Cache, progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CUDNN", "yes")
        with pytest.raises(BuildError, match="CUDNN=yes is neither 1 nor 0"):
            self.chosen(cache, progress)

    def test_cmake_is_told_what_is_used_and_where_it_runs_from(self, tmp_path: Path) -> None:
        home = tmp_path / "cuda"
        (home / "include").mkdir(parents=True)
        (home / "lib64").mkdir()
        for name in cuda.LIBRARIES:
            (home / f"lib64/lib{name}.so").touch()
        nccl = gpu_libraries.Library(gpu_libraries.NCCL, tmp_path / "i", tmp_path / "nccl/libnccl.so.2", "2.32.3")
        made = cuda.Cuda(home / "bin/nvcc", (home,), ("90",), (nccl,))
        assert {"-DUSE_CUDNN=OFF", "-DUSE_NCCL=ON", f"-DNCCL_LIBRARIES={nccl.shared}"} <= set(made.flags())
        assert made.run_path() == [str(home / "lib64"), str(tmp_path / "nccl")]

    def test_cupy_is_for_a_caffe_with_cuda(self, cache: Cache, progress: Progress, tmp_path: Path) -> None:
        built = tmp_path / "caffe-cpu-1"
        built.mkdir()
        (built / MANIFEST).write_text('{"cuda": ""}')
        with pytest.raises(BuildError, match="run first: make caffe CUDA=1"):
            cupy.install(built, cache, progress)
