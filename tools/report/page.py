"""One page, self-contained, of all tables and pictures of a folder of runs, for reading in a browser."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import partial
from html import escape
from pathlib import Path

import click
import cv2

from layers.common.errors import RarError, run_command
from layers.common.files import finished_file
from tools import PROJECT
from tools.common.paths import in_project
from tools.common.version import commit
from tools.evaluate import where
from tools.evaluate.paper_tables import Found, read_head, tables
from tools.evaluate.table import Table

QUALITY = 88  # of WebP: lines and small print stay sharp
DOCS = PROJECT / "docs"
PATH = click.Path(path_type=Path)
# The pictures of a run, in the order in which they are read, and what they show.
PICTURES = {
    "overlays": "Faces from the best to the worst: the initial shape, the final shape, the truth",
    "worst": "The faces with the largest error: annotated in white, found in green",
    "attention": "Attention centres in order, and the way of every landmark",
    "steering": "Fig. 3: how the centre of a step steers the refinement",
    "compare": "Figs. 4 and 5: the full model above, its variants below",
    "centres": "Table 4: how often a landmark is the attention centre, against the error of its region",
    "oracle": "What the choice of centres could be worth, and where the learnt one looks",
    "stages": "Error by stage",
    "ced": "Cumulative error distribution",
    "occlusion": "Under a disc of growing size",
    "loss": "Training",
}

STYLE = """
:root { --ink: #1d2733; --soft: #5b6775; --rule: #d9dee4; --accent: #0b7a75; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 1rem 1rem 4rem; color: var(--ink); background: #fff;
  font: 1rem/1.55 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: clamp(1.5rem, 4vw, 2.2rem); line-height: 1.2; margin: 1rem 0 .2rem; }
h2 { font-size: 1.35rem; margin: 2.6rem 0 .6rem; border-bottom: 2px solid var(--accent); padding-bottom: .2rem; }
p.lead, figcaption, .notes { color: var(--soft); }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; } nav a { color: var(--accent); overflow-wrap: anywhere; }
figure { margin: 1.2rem 0; }
figure img, figure svg { max-width: 100%; height: auto; border: 1px solid var(--rule); border-radius: 6px; }
figcaption { font-size: .92rem; margin-top: .3rem; }
.scroll { overflow-x: auto; margin: .2rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; min-width: 20rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .2rem; } h1, h2, h3 { overflow-wrap: anywhere; }
th, td { padding: .25rem .8rem; border-bottom: 1px solid var(--rule); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
tr.ours { background: #e8f4f3; font-weight: 600; }
.notes { font-size: .82rem; margin: .2rem 0 1.4rem; padding-left: 1.1rem; overflow-wrap: anywhere; }
@media (max-width: 40rem) { th, td { padding: .25rem .45rem; font-size: .92rem; } }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--accent); }
"""


def table_html(table: Table) -> str:
    """A table that scrolls sideways where it is wider than the page; our rows stand out."""
    head, *rows = table.grid()
    lines = [f"<tr>{''.join(f'<th scope=col>{escape(word)}</th>' for word in head)}</tr>"]
    for row in rows:
        ours = ' class="ours"' if row[0].endswith("(ours)") else ""
        lines.append(f"<tr{ours}>{''.join(f'<td>{escape(word)}</td>' for word in row)}</tr>")
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    body = f'<h3>{escape(table.title)}</h3><div class="scroll"><table>{"".join(lines)}</table></div>'
    return body + (f'<ul class="notes">{notes}</ul>' if notes else "")


def section(made: Sequence[Table]) -> str:
    """Tables; those of single stages are long and fold."""
    parts = []
    for table in made:
        html = table_html(table)
        folded = table.key.startswith("stages_")
        parts.append(f"<details><summary>{escape(table.title)}</summary>{html}</details>" if folded else html)
    return "".join(parts)


def picture(path: Path, words: str) -> str:
    """A PNG as part of the page, as WebP, a tenth of its size; RarError when it cannot be read."""
    pixels = cv2.imread(str(path))
    if pixels is None:
        raise RarError(f"{path} is no picture: delete it, or make test-300w again")
    data = base64.b64encode(cv2.imencode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])[1].tobytes()).decode()
    text = escape(words)
    image = f'<img loading="lazy" alt="{text}" src="data:image/webp;base64,{data}">'
    return f"<figure>{image}<figcaption>{text}</figcaption></figure>"


def run_section(files: Sequence[Found]) -> str:
    """One run: where the error of each of its results files lies, and the pictures beside them."""
    folder = files[0].path.parent
    names = ", ".join(dict.fromkeys(found.model for found in files))
    heading = f'<h2 id="{escape(folder.name)}">{escape(f"{names} ({folder})")}</h2>'
    return heading + "".join(map(where_section, files)) + gallery(folder)


def gallery(folder: Path) -> str:
    """The pictures of a run, "" when there are none."""
    places = {name: [folder / "pictures" / f"{name}.png", folder / f"{name}.png"] for name in PICTURES}
    return "".join(picture(path, PICTURES[name]) for name, paths in places.items() for path in paths if path.is_file())


def where_section(found: Found) -> str:
    """Where the error of a results file lies, folded; why that cannot be told where it cannot."""
    title = f"Where the error lies: {found.path.name}"
    try:
        made = where.tables(where.evaluate(found.path))
    except RarError as error:
        return f'<p class="notes">{escape(f"{title}: {error}")}</p>'
    return f"<details><summary>{escape(title)}</summary>{''.join(map(table_html, made))}</details>"


def page(files: Sequence[Found]) -> str:
    """The whole page."""
    stale = "".join(f"<li>{escape(found.stale)}</li>" for found in files if found.stale)
    runs: dict[Path, list[Found]] = {}
    for found in files:
        if not found.stale:
            runs.setdefault(found.path.parent, []).append(found)
    galleries = {folder.name: run_section(of_run) for folder, of_run in sorted(runs.items())}
    links = "".join(f'<a href="#{escape(name)}">{escape(name)}</a>' for name in galleries)
    drawing = (DOCS / "rar.svg").read_text(encoding="utf-8")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>RAR-Caffe: results</title><style>{STYLE}</style></head><body>
<h1>Recurrent Attentive-Refinement Networks in Caffe</h1>
<p class="lead">The paper's tables (Xiao et al., ECCV 2016) with our rows beside; commit {escape(commit()[:12])}.
A dash is a number that nobody measured.</p>
<nav><a href="#tables">Tables</a>{links}</nav>
<figure>{drawing[drawing.index("<svg") :]}<figcaption>RAR in one picture</figcaption></figure>
<h2 id="tables">Tables</h2>{f'<ul class="notes">{stale}</ul>' if stale else ""}{section(tables(files))}
{"".join(galleries.values())}
</body></html>
"""


@click.command(help=__doc__)
@click.option(
    "--runs", type=PATH, default=partial(in_project, "runs"), show_default="runs", help="results*.json below it"
)
@click.option(
    "--out", type=PATH, default=partial(in_project, "report.html"), show_default="report.html", help="the page"
)
def main(runs: Path, out: Path) -> None:
    files = [read_head(path) for path in sorted(runs.rglob("results*.json"))]
    with finished_file(out) as part:
        part.write_text(page(files), encoding="utf-8")
    print(out)


if __name__ == "__main__":
    run_command(main)
