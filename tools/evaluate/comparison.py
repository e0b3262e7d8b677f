"""Models side by side with what their differences are worth: paired by face, and by seed where several were trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from layers.common import metrics, paper
from layers.common.errors import RarError
from layers.common.schemes import scheme
from layers.common.shapes import FloatArray
from tools.evaluate.origin import origin, row_labels
from tools.evaluate.results import Results, read_results
from tools.evaluate.statistics import Failures, Interval, mcnemar, mean_interval
from tools.evaluate.table import Cell, Row, Table

COLUMNS = ("seeds", "NME", "sd", "FR10")
AGAINST = ("pairs", "difference", "from", "to", "better", "p", "fails", "first fails")
NOTES = (
    "NME: per cent of the inter-pupil distance, mean over seeds; sd: of the seeds' means, one training being one seed",
    "difference: of the NME, face by face and seed by seed, the first model's subtracted: below 0 is better than it",
    "from, to: the difference's 95 % interval, by 9999 resamples of faces and seeds; of one seed, of faces alone",
    "better: per cent of the faces with a lower NME; a face's NME is its mean over the seeds",
    "p: McNemar's exact test of the failures (over 10 %); fails: faces on which this model alone fails, or the first",
)


@dataclass(frozen=True)
class Variant:
    """One model, trained once or several times: NME (seeds, faces) of the last shape, fractions, by the seeds' names.

    results: of each seed, in the same order.
    """

    name: str
    errors: FloatArray
    seeds: tuple[str, ...]
    results: tuple[Results, ...]

    @property
    def faces(self) -> int:
        return self.errors.shape[1]

    def of_seeds(self, names: Sequence[str]) -> FloatArray:
        """NME (seeds, faces) of the seeds named, in that order."""
        return self.errors[[self.seeds.index(name) for name in names]]

    def spread(self) -> float | None:
        """The standard deviation of the seeds' means; None for one seed."""
        return float(self.errors.mean(axis=1).std(ddof=1)) if len(self.errors) > 1 else None


@dataclass(frozen=True)
class Difference:
    """`second` less `first`, per cent of the inter-pupil distance; better: per cent of the faces with a lower NME."""

    first: Variant
    second: Variant
    pairs: int
    interval: Interval
    better: float
    failures: Failures

    def line(self) -> str:
        """What is to be said of it, in one line."""
        low, high = self.interval.low, self.interval.high
        verdict = "better" if high < 0 else "worse" if low > 0 else "no difference shown"
        return (
            f"{self.second.name} - {self.first.name}: {self.interval.mean:+.3f} [{low:+.3f}, {high:+.3f}], "
            f"n = {self.first.faces} faces, {self.pairs} {'seeds' if self.pairs > 1 else 'seed'}: {verdict}"
        )


def read_variants(paths: Sequence[Path], subset: str | None = None, *, apart: bool = False) -> list[Variant]:
    """The models of results files, files of one name being its seeds, in the order of their first files.

    subset: the faces of that subset alone. apart: each file is a model of its own. RarError unless all files are of the
    same faces, cut from the same boxes.
    """
    files = {path: read_results(path) for path in paths}
    if len(files) < len(paths):
        raise RarError("a results file is given twice: give each once")
    labels = [results.model.name for results in files.values()]
    by_name: dict[str, list[Path]] = {}
    for path, label in zip(files, row_labels(labels, list(files)) if apart else labels, strict=True):
        by_name.setdefault(label, []).append(path)
    names = _faces(paths[0], files[paths[0]], subset)
    for path, results in files.items():
        _check_same(path, results, paths[0], files[paths[0]], names, subset)
    return [variant_of(name, [(path, files[path]) for path in group], names) for name, group in by_name.items()]


def _faces(path: Path, results: Results, subset: str | None) -> list[str]:
    names = [face.name for face in results.faces if subset in (None, face.subset)]
    if not names:
        raise RarError(f"{path} holds no face of the subset {subset}")
    return names


def _check_same(
    path: Path, results: Results, first_path: Path, first: Results, names: list[str], subset: str | None
) -> None:
    others = _faces(path, results, subset)
    if set(others) != set(names) or results.scheme != first.scheme:
        raise RarError(f"{path} is of other faces than {first_path}: test both models on the same")
    if results.data.cut() != first.data.cut():
        raise RarError(f"{path} and {first_path} are of crops by other boxes: test both models on the same")


def variant_of(name: str, files: Sequence[tuple[Path, Results]], names: Sequence[str]) -> Variant:
    """One model of its seeds' results; RarError when two files are of one seed, or one has no seed and others have."""
    recorded = [results.model.seed for _, results in files]
    if len(files) > 1 and None in recorded and set(recorded) != {None}:
        raise RarError(
            f"{files[recorded.index(None)][0]} does not say its seed, other files of {name} do: test it again"
        )
    seeds = [str(i) if seed is None else str(seed) for i, seed in enumerate(recorded)]
    if len(set(seeds)) < len(seeds):
        paths = " and ".join(str(path) for path, _ in files)
        raise RarError(f"two of {paths} are of {name} with the same seed: give one")
    errors = np.stack([final_errors(results, names) for _, results in files])
    return Variant(name, errors, tuple(seeds), tuple(results for _, results in files))


def final_errors(results: Results, names: Sequence[str]) -> FloatArray:
    """NME (faces,) of the last shape of the faces named, in that order."""
    faces = {face.name: face for face in results.faces}
    shapes, truth = (np.stack([getattr(faces[name], kind) for name in names]) for kind in ("stages", "ground_truth"))
    return metrics.face_errors(shapes[:, -1], truth, scheme(results.scheme), "pupil")


def difference(first: Variant, second: Variant, seed: int = 0) -> Difference:
    """Paired by face and by the seeds that both have; RarError when they have none in common."""
    common = [name for name in first.seeds if name in second.seeds]
    if not common:
        raise RarError(
            f"{first.name} and {second.name} have no seed in common "
            f"({', '.join(first.seeds)}; {', '.join(second.seeds)}): give files of the same seeds"
        )
    theirs, ours = (100 * variant.of_seeds(common) for variant in (first, second))
    limit = 100 * paper.FAILURE_THRESHOLD
    return Difference(
        first,
        second,
        pairs=len(common),
        interval=mean_interval(ours - theirs, seed),
        better=float(100 * (ours.mean(0) < theirs.mean(0)).mean()),
        failures=mcnemar(ours.mean(0) > limit, theirs.mean(0) > limit),
    )


def tables(variants: Sequence[Variant], found: Sequence[Difference]) -> list[Table]:
    """Every model's figures, and the others against the first."""
    rows = tuple(Row(variant.name, _cells(variant)) for variant in variants)
    notes = [origin(variant.name, results, f"{variant.faces}") for variant in variants for results in variant.results]
    faces = variants[0].faces
    made = [Table("compared", f"{faces} faces", "model", COLUMNS, rows, (*NOTES[:1], *notes))]
    if found:
        title = f"Against {variants[0].name}, {faces} faces, paired"
        against = tuple(Row(one.second.name, _against(one)) for one in found)
        made.append(Table("differences", title, "model", AGAINST, against, NOTES[1:]))
    return made


def _cells(variant: Variant) -> tuple[Cell, ...]:
    spread = variant.spread()
    failures = 100 * float(np.mean([metrics.failure_rate(errors) for errors in variant.errors]))
    return (
        Cell(len(variant.seeds), decimals=0),
        Cell(100 * float(variant.errors.mean()), decimals=3),
        Cell(None if spread is None else 100 * spread, decimals=3),
        Cell(failures),
    )


def _against(one: Difference) -> tuple[Cell, ...]:
    return (
        Cell(one.pairs, decimals=0),
        *(Cell(value, decimals=3) for value in one.interval),
        Cell(one.better, decimals=1),
        Cell(one.failures.p, decimals=3),
        Cell(one.failures.first, decimals=0),
        Cell(one.failures.second, decimals=0),
    )
