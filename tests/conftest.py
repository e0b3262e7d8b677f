"""Fixtures shared by every room's tests."""

from __future__ import annotations

import os
import signal
import site
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from _pytest.terminal import TerminalReporter

from data_prep import prepare_300w
from data_prep.synthetic_faces.write import Parameters, write
from tools.build import venv

os.environ.setdefault("GLOG_minloglevel", "2")  # before caffe is imported: its log is thousands of lines a net

PROJECT = Path(__file__).resolve().parent.parent
NO_GPU = "no GPU here that Caffe can use"
SLOW = "slow: make test SLOW=1"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--gpu", action="store_true", help="test the layers on GPU 0 instead of the CPU")
    parser.addoption("--slow", action="store_true", help="also the tests marked slow, a minute or more each")


def pytest_configure(config: pytest.Config) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background, by all children too
    if config.getoption("--gpu", default=False) and (why := why_no_gpu(0)):
        raise pytest.UsageError(f"{NO_GPU}: {why}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Slow tests skip without --slow. Those that need a GPU or real faces get their markers by what they ask for."""
    for item in items:
        if item.get_closest_marker("slow") and not config.getoption("--slow"):
            item.add_marker(pytest.mark.skip(reason=SLOW))
        asked = set(getattr(item, "fixturenames", ()))
        for name, marker in (("gpu", pytest.mark.gpu), ("shared_data", pytest.mark.data)):
            if name in asked:
                item.add_marker(marker)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = {NO_GPU: "for want of a GPU; where there is one: make test-gpu", SLOW: f"for they are {SLOW}"}
    for why, remedy in reasons.items():
        if names := [report.nodeid for report in skipped if why in str(report.longrepr)]:
            terminalreporter.section(f"{len(names)} tests not run {remedy}")
            for name in names:
                terminalreporter.write_line(name)


def packages(group: str) -> Path:
    """The environment of a group of PyPI's packages (tools/build/venv.py), or a skip that says how to get it."""
    if not venv.is_made(group):
        pytest.skip(f"no environment with {', '.join(venv.groups()[group])}: run ./rar-caffe packages {group}")
    return venv.folder(group)


def import_packages(group: str) -> None:
    """Let this Python import a group's packages, behind the system's; or a skip, as `packages`."""
    packages(group)
    site.addsitedir(str(venv.site_packages(group)))


def why_no_gpu(number: int) -> str | None:
    """Why Caffe cannot use this GPU; None when it can."""
    from tools.common.gpu import why_not  # it imports caffe, which is to find the setting above

    return why_not(number)


@pytest.fixture(scope="session")
def gpu() -> int:
    """The number of a GPU that Caffe can use, or a skip that says why there is none."""
    if why := why_no_gpu(0):
        pytest.skip(f"{NO_GPU}: {why}")
    return 0


@pytest.fixture
def gpu_mode(gpu: int) -> Iterator[int]:
    """Caffe on the GPU for one test, in this thread."""
    import caffe

    caffe.set_device(gpu)
    caffe.set_mode_gpu()
    yield gpu
    caffe.set_mode_cpu()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real faces beside the checkout, or a skip that says what is missing."""
    path = Path(os.environ.get("RAR_SHARED_DATA", PROJECT.parent / "shared" / "data"))
    if not (path / "300w").is_dir():
        pytest.skip(f"no real faces at {path}: set RAR_SHARED_DATA to a folder with 300w/, mtfl/, cofw68/")
    return path


@pytest.fixture(scope="session")
def real_shapes(shared_data: Path) -> np.ndarray:
    """Annotated shapes (330, 68, 2) of the Helen test faces."""
    files = sorted((shared_data / "300w" / "helen" / "testset").glob("*.pts"))
    return np.stack([np.loadtxt(path, skiprows=3, comments="}") for path in files])


@pytest.fixture(scope="session")
def drawn_faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn faces in 300-W's layout; 50 or more to train on, as a shape pool of the presets' size wants."""
    folder = tmp_path_factory.mktemp("prepared") / "faces"
    write(folder, Parameters(train=60, test=8, seed=1))
    return folder


def prepare_drawn(faces: Path, data: Path, options: str) -> Path:
    """Prepare drawn faces as `make demo` does, at 64 px."""
    usual = "--dataset synthetic --any-count --crop-size 64 --validation 0.1 --workers 0"
    arguments = ["--raw", str(faces), "--out", str(data), *usual.split(), *options.split()]
    prepare_300w.main(arguments, standalone_mode=False)
    return data


@pytest.fixture(scope="session")
def prepared(drawn_faces: Path) -> Path:
    """Prepared data beside the drawn faces: 64 px crops in train/, val/, helen/, lfpw/, ibug/. Only to be read."""
    return prepare_drawn(drawn_faces, drawn_faces.with_name("data"), "--copies 1 --occluded 0")


@pytest.fixture(scope="session")
def prepared_live(drawn_faces: Path) -> Path:
    """The same faces for live augmentation: train/ holds patches, val/ crops; no other sets. Not to be written to."""
    folder = drawn_faces.with_name("live")
    return prepare_drawn(drawn_faces, folder, "--sets train --augment live --quality 90 --occluded 0.15")
