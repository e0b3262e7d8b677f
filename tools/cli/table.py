"""The subcommands of `rar-caffe`: where each is, what it needs, and examples. Standard library only."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """A subcommand. place: module:object of its click command. summary: one line for the list.

    caffe: whether it runs Caffe. python: the group of packages whose Python runs it, "" for the system's.
    groups: other groups that it needs. videos: it takes videos, which need the group of that name. examples: command
    lines, without `rar-caffe`.
    """

    place: str
    summary: str
    examples: tuple[str, ...]
    caffe: bool = True
    python: str = ""
    groups: tuple[str, ...] = ()
    videos: bool = False


FINDER = ("finder",)
COMMANDS = {
    "bundle": Command(
        "tools.bundle.__main__:main",
        "make one folder with all of it, which runs on any x86-64 Linux without root",
        ("bundle", "bundle --model compact --model vgg19_128 --with onnx --out /tmp/dist"),
    ),
    "gpu-check": Command(
        "tools.gpu_check.__main__:main",
        "all that a GPU can tell in a few minutes: tests, speed, a training",
        ("gpu-check --minutes 9 --out out --data data/300w_256", "gpu-check --dry-run --preset tiny --out out"),
    ),
    "demo": Command(
        "tools.cli.demo:main",
        "all of it on drawn faces, without a download: data, training, test, pictures",
        ("demo", "demo --out /tmp/demo --seed 1"),
    ),
    "data": Command(
        "tools.cli.data:main",
        "prepare 300-W, COFW, MTFL (AFLW) or faces of your own for training and testing",
        (
            "data 300w --raw /path/to/300w --preset vgg19_128 --validation 0.06",
            "data cofw --raw DIR --preset cofw_128",
            "data own --images faces --annotations faces.csv --scheme twelve.json --out data/mine",
        ),
    ),
    "check": Command(
        "tools.cli.data:check",
        "verify prepared data, every file of it",
        ("check data/300w_256", "check --preset compact"),
    ),
    "train": Command(
        "tools.train.__main__:main",
        "train a preset; the same command goes on where it stopped",
        (
            "train --preset compact",
            "train --preset vgg19_128 --data data/300w_128 --out /big/disk/run --gpus 0",
            "train --preset vgg19_128+weighting=uniform --warm-up runs/vgg19_128/warm_up.caffemodel",
        ),
    ),
    "test": Command(
        "tools.test.__main__:main",
        "test a model on prepared data: results file, tables, pictures",
        ("test --preset compact", "test --preset vgg19_128 --weights shipped", "test --preset compact --protocol aflw"),
    ),
    "evaluate": Command(
        "tools.evaluate.__main__:main",
        "score anyone's results file",
        (
            "evaluate 300w --results results.json",
            "evaluate cofw68 --annotations DIR --results FILE --visible",
            "evaluate compare A.json B.json",
            "evaluate where --results results.json",
        ),
        caffe=False,
    ),
    "occlusion": Command(
        "tools.test.occlusion:main",
        "the error under a disc of growing size",
        ("occlusion --preset compact", "occlusion --model compact shipped --model vgg19_128 shipped --data D/helen"),
    ),
    "oracle": Command(
        "tools.test.oracle:main",
        "what the choice of attention centres could be worth, and what A-LSTM makes of it",
        ("oracle --preset compact", "oracle --preset vgg19_128 --weights shipped --draws 10"),
    ),
    "calibrate": Command(
        "tools.detect.calibrate:main",
        "learn the expected error of every landmark from validation faces",
        ("calibrate --preset compact --data data/300w_96",),
    ),
    "ablations": Command(
        "tools.cli.ablations:main",
        "Table 5 and Sect. 4.4: variants trained from one warm-up",
        (
            "ablations --preset compact",
            "ablations --preset compact --change steps=8 --iterations 4000",
            "ablations --preset compact --seeds 5",
        ),
    ),
    "draw": Command(
        "tools.draw.__main__:main",
        "pictures of a results file",
        ("draw --results runs/compact/results.json --data data/300w_96 --out pictures",),
        caffe=False,
    ),
    "tables": Command(
        "tools.evaluate.paper_tables:main",
        "the paper's tables with the rows of all runs: Markdown, CSV, LaTeX",
        ("tables", "tables --runs /big/disk/runs --out tables"),
        caffe=False,
    ),
    "report": Command(
        "tools.report.page:main", "all tables and pictures of all runs on one page", ("report",), caffe=False
    ),
    "ship": Command(
        "tools.report.ship.__main__:main",
        "weights at half precision and their model card, out of a finished run",
        ('ship --preset compact --commands "made by | these commands"',),
    ),
    "detect": Command(
        "tools.detect.__main__:main",
        "landmarks on pictures and videos",
        (
            "detect photo.jpg",
            "detect --out found --trace holiday/ clip.mp4",
            "detect --smooth clip.mp4",
            "detect --boxes boxes.csv '*.png'",
        ),
        groups=FINDER,
        videos=True,
    ),
    "test-detect": Command(
        "tools.detect.score:main",
        "found boxes beside given ones, and the time a photograph takes",
        ("test-detect --raw /path/to/300w --preset vgg19_128",),
        groups=FINDER,
    ),
    "many": Command(
        "tools.many.__main__:main",
        "landmarks on millions of pictures, on all cores or machines, into Parquet",
        ("many --out found pictures/", "many --list pictures.txt --scheduler tls://10.0.0.1:8786"),
        python="many",
        groups=FINDER,
    ),
    "many-certificates": Command(
        "tools.many.machines:certificates",
        "certificates by which several machines know each other",
        ("many-certificates", "many-certificates --out /safe/place --days 30"),
        caffe=False,
        python="many",
    ),
    "many-scheduler": Command(
        "tools.many.machines:scheduler",
        "the scheduler for several machines",
        ("many-scheduler --listen 10.0.0.1",),
        caffe=False,
        python="many",
    ),
    "many-worker": Command(
        "tools.many.machines:worker",
        "one machine's processes for the scheduler",
        ("many-worker tls://10.0.0.1:8786 --listen 10.0.0.2",),
        python="many",
        groups=FINDER,
    ),
    "web": Command(
        "tools.web.__main__:main",
        "a page on this machine: drop a picture, see every step",
        ("web", "web --preset vgg19_128 --port 8000"),
        python="web",
        groups=FINDER,
    ),
    "onnx": Command(
        "tools.onnx.__main__:main",
        "the whole detector as one ONNX file",
        ("onnx --out rar.onnx", "onnx --preset vgg19_128 --half --rgb"),
        python="onnx",
    ),
    "test-onnx": Command(
        "tools.onnx.compare:main", "that file beside Caffe: px and ms a face", ("test-onnx --faces 50",), python="onnx"
    ),
    "bench": Command(
        "tools.bench.__main__:main",
        "time and memory beside stock Caffe and PyTorch",
        ("bench", "bench --preset tiny --no-growth --torch-python /path/to/python"),
    ),
    "vgg19": Command(
        "tools.model.vgg19.__main__:main",
        "the weights that vgg19 presets start from",
        ("vgg19", "vgg19 --caffemodel VGG_ILSVRC_19_layers.caffemodel"),
    ),
    "prototxt": Command(
        "tools.model.prototxt:main", "write the network files of the presets anew", ("prototxt", "prototxt --check")
    ),
}
# Those of launch.py itself, which need neither click nor Caffe.
PLAIN = {
    "build": "build BVLC Caffe, or find it built (--cuda: for GPUs too; --cupy)",
    "packages": "fetch groups of packages from PyPI, each into an environment of its own",
    "env": "print what to export so that `caffe train` works by hand",
    "run": "run any program with Caffe on its paths: run caffe test ..., run python3 ...",
    "doctor": "what this machine has and lacks",
    "lock": "fix the packages of the groups after a change of their pins",
    "self-test": "the project's tests, all that this machine can run",
    "lint": "ruff, mypy, hadolint",
    "docs": "the documentation as a web site",
}
