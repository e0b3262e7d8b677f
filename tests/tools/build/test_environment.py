"""The environment for Caffe: with it program, package and Python layers work; without Caffe it says what to run."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.build import environment
from tools.build.cache import Cache, root
from tools.build.recipe import selection_key

PROJECT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "-m", "tools.build.environment"]
BARE = {"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/")}

ZEN4 = "flags\t\t: fpu avx2 avx512f avx512dq avx512cd avx512bw avx512vl avx512_bf16 avx512_vnni\n"
ZEN3 = "flags\t\t: fpu sse4_2 avx avx2 fma\n"
KNIGHTS_LANDING = "flags\t\t: fpu avx2 avx512f avx512pf avx512er avx512cd\n"
ARM = "Features\t: fp asimd evtstrm aes\nCPU implementer\t: 0x41\n"

LAYER = """
import caffe
class Double(caffe.Layer):
    def setup(self, bottom, top): pass
    def reshape(self, bottom, top): top[0].reshape(*bottom[0].data.shape)
    def forward(self, bottom, top): top[0].data[...] = 2 * bottom[0].data
    def backward(self, top, propagate_down, bottom): pass
"""
NET = """
layer { name: "x" type: "DummyData" top: "x"
        dummy_data_param { shape { dim: 1 } data_filler { type: "constant" value: 21 } } }
layer { name: "y" type: "Python" bottom: "x" top: "y" python_param { module: "double_layer" layer: "Double" } }
"""


def shell(text: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run shell lines in the project's root with little more than what is given."""
    return subprocess.run(
        ["sh", "-ec", text], cwd=PROJECT, env=caches() | BARE | variables, capture_output=True, text=True, check=False
    )


def caches() -> dict[str, str]:
    """The variables that tell where Caffe is."""
    return {name: os.environ[name] for name in ("RAR_CACHE", "XDG_CACHE_HOME") if name in os.environ}


EVALUATE = 'eval "$(/usr/bin/python3 -m tools.build.environment)"\n'


def test_the_program_runs() -> None:
    done = shell(EVALUATE + "caffe --version")
    assert (done.returncode, done.stdout.strip()) == (0, "caffe version 1.0.0")


def test_the_package_has_python_layers_and_lstm_units() -> None:
    done = shell(EVALUATE + '/usr/bin/python3 -c "import caffe; print(*caffe.layer_type_list())"')
    assert {"Python", "LSTMUnit", "HDF5Data", "Data", "Deconvolution"} <= set(done.stdout.split())


def test_the_program_runs_layers_written_in_python(tmp_path: Path) -> None:
    (tmp_path / "double_layer.py").write_text(LAYER)
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(
        f'net: "{tmp_path}/net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1 display: 1\n'
        f'snapshot_prefix: "{tmp_path}/s" snapshot_after_train: false solver_mode: CPU\n'
    )
    done = shell(EVALUATE + f"caffe train -solver {tmp_path}/solver.prototxt", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "y = 42" in done.stderr


def test_the_layers_of_this_project_are_found() -> None:
    done = shell(EVALUATE + 'cd /; /usr/bin/python3 -c "import tools, caffe; print(tools.__file__)"')
    assert done.stdout.strip() == str(PROJECT / "tools/__init__.py")


def test_is_fast() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run(COMMAND, cwd=PROJECT, capture_output=True, check=True)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 0.3


def test_another_python_first_on_the_path(tmp_path: Path) -> None:
    """Caffe embeds the system's, and looks for its libraries beside the first python3 that it finds."""
    (tmp_path / "lib" / "python3.11").mkdir(parents=True)
    (tmp_path / "lib" / "python3.11" / "os.py").write_text("raise SystemExit('the wrong library')\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "bin" / "python3").chmod(0o755)
    (tmp_path / "double_layer.py").write_text(LAYER)
    (tmp_path / "net.prototxt").write_text(NET)
    line = f"caffe time -model {tmp_path}/net.prototxt -iterations 1 2>&1 | tail -1; python3 -c 'import cv2, caffe'"
    done = shell(EVALUATE + line, PATH=f"{tmp_path}/bin:/usr/bin:/bin", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Benchmark ends" in done.stdout


def test_twice_is_the_same_as_once() -> None:
    shown = shell(EVALUATE + "echo $PATH $PYTHONPATH\n" + EVALUATE + "echo $PATH $PYTHONPATH").stdout.splitlines()
    assert shown[0] == shown[1]


def test_an_earlier_build_on_the_path_gives_way() -> None:
    old = root() / "caffe-cpu-of-yesterday"
    made = environment.caffe_environment({"PATH": f"{old}/bin:/usr/bin", "PYTHONPATH": f"{old}/python"})
    assert "yesterday" not in made["PATH"] + made["PYTHONPATH"]
    assert made["PATH"].endswith(":/usr/bin")


def test_the_users_own_choice_stays() -> None:
    made = environment.caffe_environment({"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_NUM_THREADS": "7"})
    assert (made["OPENBLAS_CORETYPE"], made["OPENBLAS_NUM_THREADS"]) == ("Haswell", "7")


HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@pytest.mark.skipif(
    not HUGE_PAGES.exists() or "[madvise]" not in HUGE_PAGES.read_text(),
    reason="the system gives huge pages to all programs, or to none",
)
def test_memory_comes_in_huge_pages_unless_the_user_tunes_glibc() -> None:
    code = (
        "a = bytearray(10_000_000)\n"
        "print(*[line for line in open('/proc/self/smaps') if line.startswith('VmFlags:') and ' hg' in line])"
    )
    for own, wanted in (({}, True), ({"GLIBC_TUNABLES": "glibc.malloc.check=0"}, False)):
        env = {**os.environ, "GLIBC_TUNABLES": "", **environment.caffe_environment(own)}
        done = subprocess.run(["/usr/bin/python3", "-c", code], env=env, capture_output=True, text=True, check=True)
        assert bool(done.stdout.strip()) is wanted, own


def test_one_pool_of_threads_for_blas_and_onednn() -> None:
    code = "import numpy, scipy.linalg, caffe; print(open('/proc/self/maps').read())"
    env = {**os.environ, **environment.caffe_environment({}), "GLOG_minloglevel": "2"}
    maps = subprocess.run(["/usr/bin/python3", "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    assert "libdnnl" in maps and "openblas-openmp" in maps and "openblas-pthread" not in maps


@pytest.mark.parametrize(
    ("own", "shown"),
    [
        ({"GOMP_SPINCOUNT": "77"}, {"GOMP_SPINCOUNT": "77"}),
        ({"OMP_WAIT_POLICY": "PASSIVE"}, {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, {"OMP_WAIT_POLICY": "ACTIVE"}),
    ],
)
def test_openmp_knows_how_long_threads_wait_unless_the_user_says_it(own: dict[str, str], shown: dict[str, str]) -> None:
    done = shell(EVALUATE + '/usr/bin/python3 -c "import caffe"', OMP_DISPLAY_ENV="verbose", **own)
    known = dict(re.findall(r"(\w+) = '(.*)'", done.stderr))
    assert {name: known.get(name) for name in shown} == shown


def test_cores_are_shared_unless_the_user_chooses_the_threads() -> None:
    made = environment.caffe_environment({})
    assert made["CAFFE_SHARE_CORES"] == made["OMP_NUM_THREADS"] == str(environment.usable_cores())
    assert environment.caffe_environment(made)["CAFFE_SHARE_CORES"] == made["CAFFE_SHARE_CORES"], "asked again"
    assert "CAFFE_SHARE_CORES" not in environment.caffe_environment({"OMP_NUM_THREADS": "2"})
    assert environment.caffe_environment({"CAFFE_SHARE_CORES": "0"})["CAFFE_SHARE_CORES"] == "0"


def test_threads_wait_for_less_long_beside_a_program_that_computes() -> None:
    cores = os.cpu_count() or 1
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * cores)]
    try:
        assert environment.caffe_environment({})["GOMP_SPINCOUNT"] == environment.SPINS_BESIDE
    finally:
        for program in busy:
            program.kill()
            program.wait()
    most = cores - environment.usable_cores()  # that leave this program its cores
    assert not environment.crowded(f"0.00 0.00 0.00 {most + 1}/130 4242\n")
    assert environment.crowded(f"0.00 0.00 0.00 {most + 2}/130 4242\n")


def test_quotes_what_a_shell_would_split(tmp_path: Path) -> None:
    cache = tmp_path / "a cache"
    cache.mkdir()
    folder = environment.caffe_folder()
    shutil.copytree(folder, cache / folder.name, symlinks=True)
    Cache(cache).select(selection_key(), folder.name)
    done = shell(EVALUATE + "command -v caffe; caffe --version", RAR_CACHE=str(cache))
    assert done.stdout.splitlines() == [f"{cache}/{folder.name}/bin/caffe", "caffe version 1.0.0"]


def test_without_caffe_it_says_what_to_run(tmp_path: Path) -> None:
    env = {**os.environ, "RAR_CACHE": str(tmp_path)}
    done = subprocess.run(COMMAND, cwd=PROJECT, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == ["Caffe is not built for this version of the project; run: make caffe"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("cpuinfo", "core"), [(ZEN4, "SKYLAKEX"), (ZEN3, None), (KNIGHTS_LANDING, None), (ARM, None), ("", None)]
)
def test_blas_kernels_go_by_what_the_cpu_has(cpuinfo: str, core: str | None) -> None:
    assert environment.openblas_core(f"processor\t: 0\nmodel name\t: X\n{cpuinfo}") == core


def test_threads_are_physical_cores_within_the_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    hyperthreads = "\n\n".join(
        f"processor\t: {number}\nphysical id\t: 0\ncore id\t\t: {number % 2}" for number in range(8)
    )
    assert environment.usable_cores(hyperthreads, "max 100000") == 2
    assert environment.usable_cores(hyperthreads, "150000 100000") == 1
    arm = "\n\n".join(f"processor\t: {number}\nBogoMIPS\t: 100" for number in range(8))
    assert environment.usable_cores(arm, "max 100000") == 4
    assert environment.usable_cores("", "max 100000") == 4
