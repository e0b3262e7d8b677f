"""Test a model on every set there is in prepared data: results file, pictures, tables, a last line to compare by."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import click

from data_prep.manifest import origin, read_manifest
from layers.common.errors import run_command
from tools.draw.__main__ import main as draw
from tools.evaluate.__main__ import main as evaluate
from tools.model.options import in_run, model_options_for, run_of
from tools.model.places import prepared_folder
from tools.test.faces import SETS
from tools.test.faces import main as test_faces

PATH = click.Path(path_type=Path)


class Protocol(NamedTuple):
    """How a data set is tested: its results file, its sets, the folder of its prepared data."""

    results: str
    sets: tuple[str, ...]
    data_set: str


PROTOCOLS = {
    "300w": Protocol("results.json", SETS, "300w"),
    "cofw": Protocol("results_cofw.json", ("train", "cofw"), "cofw"),
    "aflw": Protocol("results_aflw.json", ("aflw",), "mtfl"),
    "own": Protocol("results_own.json", ("test",), "own"),
}
DRAWN = ("300w", "own")  # protocols whose tests end with pictures
OF_RAW = {"cofw": "cofw", "mtfl": "aflw"}  # what a manifest calls its data set; all else is tested as 300-W


def protocol_of(data: Path) -> str:
    """By what raw data set the sets that are to be tested come from, where the manifest names none."""
    manifest = read_manifest(data)
    if "protocol" in manifest:
        return str(manifest["protocol"])
    raws = {origin(manifest, name).raw for name in manifest["sets"]}
    return next((OF_RAW[raw] for raw in raws if raw in OF_RAW), "300w")


@click.command(help=__doc__)
@model_options_for("vgg19")
@click.option("--data", type=PATH, help="prepared data  [default: of the protocol and the preset's crop size]")
@click.option("--protocol", type=click.Choice(list(PROTOCOLS)), help="[default: as the data, else 300w]")
@in_run("--out", "", "folder for the results file and pictures/")
@click.option("--batch", default=1, show_default=True, type=click.IntRange(1), help="faces at a time")
@click.option("--gpu", type=click.IntRange(0), help="number of the GPU to use; without it the CPU is used")
@click.option("--trained-seed", type=click.IntRange(0), help="of the training, to compare results by seed")
@click.pass_context
def main(
    context: click.Context,
    name: str,
    weights: Path,
    data: Path | None,
    protocol: str | None,
    out: Path,
    batch: int,
    gpu: int | None,
    trained_seed: int | None,
) -> None:
    protocol = protocol or (protocol_of(data) if data else "300w")
    chosen = PROTOCOLS[protocol]
    data, results = data or prepared_folder(name, chosen.data_set), out / chosen.results
    words = ["--preset", name, "--weights", str(weights), "--data", str(data), "--sets", ",".join(chosen.sets)]
    words += ["--out", str(results), "--batch", str(batch), *(["--gpu", str(gpu)] if gpu is not None else [])]
    words += ["--trained-seed", str(trained_seed)] if trained_seed is not None else []
    test_faces(words, standalone_mode=False)
    if protocol in DRAWN:
        log = run_of(context) / "log.csv"
        logged = log.is_file() and len(log.read_text(encoding="utf-8").splitlines()) > 1
        drawn = ["--results", str(results), "--data", str(data), "--out", str(out / "pictures")]
        draw([*drawn, *(["--log", str(log)] if logged else [])], standalone_mode=False)
    evaluate([protocol, "--results", str(results)], standalone_mode=False)


if __name__ == "__main__":
    run_command(main)
