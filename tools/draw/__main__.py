"""The pictures of a test run."""

from __future__ import annotations

from pathlib import Path

import click
from matplotlib.figure import Figure

from layers.common.errors import run_command
from tools.draw import attention, centres, choose, curves, gallery, steering, style, worst
from tools.draw.images import PreparedPictures
from tools.draw.small_print import small_print
from tools.evaluate.results import read_results

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option("--results", "results_file", type=FILE, required=True, help="Results file, as make test-300w writes it.")
@click.option("--data", type=FOLDER, help="Prepared data the results were made on; without it no faces are drawn.")
@click.option("--log", type=FILE, help="Training log, OUT/log.csv; without it no loss curves are drawn.")
@click.option("--out", type=FOLDER, required=True, help="Folder for the pictures.")
@click.option("--faces", type=click.IntRange(1, 12), default=6, show_default=True, help="Faces in the gallery.")
@click.option("--worst", "bad", type=click.IntRange(1, 50), default=10, show_default=True, help="Faces in worst.png.")
def main(results_file: Path, data: Path | None, log: Path | None, out: Path, faces: int, bad: int) -> None:
    """Draw what can be drawn from the files given; prints the path of every picture."""
    results = read_results(results_file)
    note = small_print(results)
    figures: dict[str, Figure] = {}
    if data:
        pictures = PreparedPictures(data)
        figures["overlays"] = gallery.gallery(results, choose.spread(results, faces), pictures, note).figure
        figures["worst"] = worst.worst_faces(results, choose.worst(results, bad), pictures, note).figure
        if results.steps:
            improved = choose.most_improved(results, 3)
            chosen = f"faces that the steps improved most, of {note}"
            figures["attention"] = attention.attention_chains(results, improved, pictures, f"the 3 {chosen}").figure
            figures["steering"] = steering.steering(results, improved[:2], pictures, f"the 2 {chosen}").figure
    if results.steps:
        figures["centres"] = centres.centre_frequency(results, note)
    figures["stages"] = curves.error_by_stage(results, note)
    figures["ced"] = curves.cumulative_errors(results, note)
    if log:
        figures["loss"] = curves.loss_curves(log, "" if results.data.raw in style.PAPERS_FACES else note)
    for name, made in figures.items():
        click.echo(style.save(made, out / f"{name}.png"))


if __name__ == "__main__":
    run_command(main)
