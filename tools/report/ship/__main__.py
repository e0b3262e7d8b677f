"""A folder of models/ out of a finished run: weights at half precision, tested as they are shipped, card, logs."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from data_prep.manifest import read_manifest, training_digest
from layers.common.errors import RarError, run_command
from tools.common.paths import shown
from tools.draw import curves, style
from tools.draw.small_print import small_print
from tools.model.crop_detector import CropDetector
from tools.model.half_precision import MANTISSA_BITS, write_half
from tools.model.options import data_option, run_of, run_option
from tools.model.places import MODELS, RESULT, SUFFIX
from tools.model.presets import preset
from tools.model.run_record import read_record
from tools.report.ship.card import model_card, phases
from tools.report.ship.logs import keep_logs
from tools.report.ship.protocols import Measured, protocol
from tools.test.faces import main as test_faces

LARGEST_CHANGE = 0.01  # of the mean error of a subset, per cent of the inter-pupil distance
FOLDER = click.Path(path_type=Path, file_okay=False)
LOG = click.Path(path_type=Path, exists=True, dir_okay=False)


def rounding(before: Measured, after: Measured, size: int) -> str:
    """What half precision has changed, in a sentence; RarError when it is more than it may."""
    changes = {
        subset: 100 * float(errors["pupil"][:, -1].mean() - before.scores[subset]["pupil"][:, -1].mean())
        for subset, errors in after.scores.items()
    }
    worst = max(changes, key=lambda name: abs(changes[name]))
    if abs(changes[worst]) > LARGEST_CHANGE:
        raise RarError(f"half precision changes {worst} by {changes[worst]:+.3f} %: raise MANTISSA_BITS")
    return (
        f"Weights are at half precision with {MANTISSA_BITS} mantissa bits ({size / 1e6:.1f} MB), in Caffe's HDF5 "
        f"format (`caffe test -weights` reads them); that changes the mean error by {changes[worst]:+.4f} at most."
    )


def check_same(run: Path, weights_sha256: str, before: Measured, manifest: dict[str, Any]) -> None:
    """RarError unless the run's results are of its weights, and the data those that it was trained on."""
    record = read_record(run)
    if before.results.model.sha256 != weights_sha256:
        raise RarError(f"{run / RESULT} has changed since the run was tested: test it again, then ship it")
    if record and record.training["data"] != training_digest(manifest):
        raise RarError(f"{run} was trained on other data than those given: give --data of its training")


def take_over(new: Path, out: Path) -> None:
    """Put finished files where those of earlier weights may be, whose logs and calibration go."""
    out.mkdir(exist_ok=True)
    for stale in (*out.glob("log*.csv.gz"), *out.glob("*.calibration.json")):
        stale.unlink()
    for path in new.iterdir():
        path.replace(out / path.name)


@click.command(help=__doc__)
@click.option("--preset", "name", required=True)
@run_option
@data_option()
@click.option("--out", type=FOLDER, help="folder to write: weights, README.md, pictures  [default: models/PRESET]")
@click.option("--commands", required=True, help="the commands that made the run, for the card; | between two")
@click.option("--log", "earlier", type=LOG, multiple=True, help="log.csv of a run whose weights this one started from")
@click.pass_context
def main(
    context: click.Context, name: str, data: Path, out: Path | None, commands: str, earlier: tuple[Path, ...]
) -> None:
    run, out = run_of(context), out or shown(MODELS / name)
    chosen, manifest, trained = preset(name), read_manifest(data), phases(run / "log.csv")
    tested = protocol(chosen)
    results = run / "shipped.json"
    detector, before = CropDetector(chosen, run / RESULT), tested.score(run / tested.results)
    check_same(run, detector.sha256, before, manifest)
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{name}-", dir=out.parent) as folder:
        new = Path(folder)
        shipped = new / f"{name}{SUFFIX}"
        write_half(detector.net, shipped)
        words = ["--preset", name, "--weights", str(shipped), "--data", str(data), "--sets", ",".join(tested.sets)]
        test_faces([*words, "--out", str(results)], standalone_mode=False)
        after = tested.score(results)
        changed = rounding(before, after, shipped.stat().st_size)
        made = "\n".join(f"    {command.strip()}" for command in commands.split("|"))
        card = model_card(chosen, after, manifest, trained, changed, made)
        (new / "README.md").write_text(card, encoding="utf-8")
        keep_logs(run / "log.csv", earlier, new)
        found = after.results
        for picture, figure in {
            "stages": curves.error_by_stage(found, small_print(found)),
            "loss": curves.loss_curves(run / "log.csv", ""),
        }.items():
            style.save(figure, new / f"{picture}.png")
        take_over(new, out)
    print(out)


if __name__ == "__main__":
    run_command(main)
