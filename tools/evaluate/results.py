"""The results file: every shape a model found on every face, as JSON that anyone can write, read and score.

    {"format": "rar-results/1", "scheme": "68",
     "model": {"name", "weights", "sha256", "commit", "version", and where it is known "seed"},
     "data": {"boxes": "detector", "margin": 1.4, "raw": "300w", "note": "", and of sets that are otherwise
              "sets": {"ibug": {"boxes": "gt", "margin": 2.0}}}, "steps": T,
     "faces": [{"name", "subset", "ground_truth": L x 2, "s_d": L x 2, "stages": (T+1) x L x 2, "centres": T,
                "confidence": T x L, "peak": L, "box": 4, and where the annotation tells it "hidden": 0 or 1 each}]}

Coordinates are px of the original image, 0-based, to 3 decimals. One face a line, so that two files compare with diff.
A method without stages fits in as well: T = 0, its shape as both s_d and the only stage, no centres, no confidence.
A scheme of one's own is described in full, as in a scheme file (docs/own-data.md).
Where the faces are annotated by another scheme than the model's, "truth_scheme" names it after "scheme", and
ground_truth has its points: a 68-point model on COFW's 29-point faces.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layers.common.errors import RarError
from layers.common.files import finished_file
from layers.common.json_types import Each, Maybe, check, parsed
from layers.common.schemes import SCHEMES, scheme, stored

FORMAT = "rar-results/1"
PIXEL_DECIMALS = 3
FARTHEST = 1e6  # px
PIXELS = ("ground_truth", "s_d", "stages", "box")
CUT = {"boxes": str, "margin": float}
HEAD = {
    "scheme": (str, dict), "truth_scheme": Maybe((str, dict)), "steps": int, "faces": list,
    "model": {"name": str, "weights": str, "sha256": str, "commit": str, "version": Maybe(str), "seed": Maybe(int)},
    "data": {**CUT, "raw": str, "note": str, "sets": Maybe(Each(dict, CUT))},
}  # fmt: skip
SCORE_DECIMALS = 6  # confidences and peaks: probabilities over 65,536 places are small

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """What produced the shapes: a name for tables, the weight file with its sha256, the commit of the code.

    version: of this project; "" in files older than version numbers, and in those of other programs.
    seed: of the training, where it is one of several that are to be told apart.
    """

    name: str
    weights: str
    sha256: str
    commit: str
    version: str = ""
    seed: int | None = None


@dataclass(frozen=True)
class Data:
    """Where the faces came from: raw data set ("300w", "synthetic", ...), source of the boxes and their margin.

    sets: source and margin of the subsets for which they are others.
    """

    boxes: str
    margin: float
    raw: str
    note: str
    sets: dict[str, tuple[str, float]] = field(default_factory=dict)

    def cut(self) -> str:
        """How the faces were cut out, in words."""
        others = (f"; {name}: boxes {boxes} with margin {margin:g}" for name, (boxes, margin) in self.sets.items())
        return f"boxes {self.boxes} with margin {self.margin:g}{''.join(others)}"


@dataclass(frozen=True)
class FaceResult:
    """One face. L landmarks, T steps; coordinates in px of the original image, 0-based.

    ground_truth (L, 2); s_d (L, 2), decoded from conv8's heat maps; stages (T+1, L, 2), S_hat_0 ... S_hat_T;
    centres (T,), the attention centre of each step; confidence (T, L), A-LSTM's; peak (L,), the height of each
    heat map's maximum; box (4,), the face box x0 y0 x1 y1; hidden, 1 for each landmark of the ground truth that the
    annotation calls hidden, None where it does not tell.
    """

    name: str
    subset: str
    ground_truth: FloatArray
    s_d: FloatArray
    stages: FloatArray
    centres: NDArray[np.int64]
    confidence: FloatArray
    peak: FloatArray
    box: FloatArray
    hidden: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Results:
    """All faces of one test run; `scheme` is the shapes' landmark scheme, `steps` is T.

    truth_scheme: the scheme of the ground truth, None where it is the shapes' own.
    """

    scheme: str
    model: Model
    data: Data
    steps: int
    faces: tuple[FaceResult, ...]
    truth_scheme: str | None = None

    @property
    def truth(self) -> str:
        """The name of the ground truth's scheme."""
        return self.truth_scheme or self.scheme


def write_results(path: Path, results: Results) -> None:
    """Write the file; it appears complete or not at all. RarError when `results` would not read back."""
    head: dict[str, Any] = {
        "format": FORMAT,
        "scheme": stored(results.scheme),
        **({"truth_scheme": stored(results.truth)} if results.truth != results.scheme else {}),
        "model": {name: value for name, value in dataclasses.asdict(results.model).items() if value is not None},
        "data": _data_as_json(results.data),
        "steps": results.steps,
    }
    _check(path, results)
    lines = [f"{json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    faces = ",\n".join(json.dumps(_encode(face), separators=(",", ":"), allow_nan=False) for face in results.faces)
    with finished_file(path) as part:
        part.write_text("{" + "\n ".join(lines) + '\n "faces": [\n' + faces + "\n]}\n", encoding="utf-8")


def _encode(face: FaceResult) -> dict[str, Any]:
    def rounded(values: FloatArray, decimals: int) -> Any:
        return np.round(np.asarray(values, dtype=np.float64), decimals).tolist()

    return {
        "name": face.name,
        "subset": face.subset,
        "ground_truth": rounded(face.ground_truth, PIXEL_DECIMALS),
        "s_d": rounded(face.s_d, PIXEL_DECIMALS),
        "stages": rounded(face.stages, PIXEL_DECIMALS),
        "centres": np.asarray(face.centres).tolist(),
        "confidence": rounded(face.confidence, SCORE_DECIMALS),
        "peak": rounded(face.peak, SCORE_DECIMALS),
        "box": rounded(face.box, PIXEL_DECIMALS),
        **({} if face.hidden is None else {"hidden": np.asarray(face.hidden).astype(int).tolist()}),
    }


def read_results(path: Path, other_truth: bool = False) -> Results:
    """Read and check a results file; RarError, one line, for whatever is wrong with it.

    other_truth: take a file, too, whose ground truth is of another scheme than its shapes.
    """
    try:
        raw = parsed(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RarError(f"cannot read {path} ({error.strerror}): make test-300w writes results files") from error
    except ValueError as error:
        raise RarError(f"{path} is not JSON or is cut short ({error}): write it again") from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise RarError(f"{path} is not a results file of format {FORMAT}: give the JSON that make test-300w writes")
    try:
        check(raw, HEAD)
        results = Results(
            scheme=_scheme(path, raw["scheme"]),
            model=_model(raw["model"]),
            data=_data(raw["data"]),
            steps=raw["steps"],
            faces=tuple(_decode(path, number, face) for number, face in enumerate(raw["faces"])),
            truth_scheme=_scheme(path, raw["truth_scheme"]) if "truth_scheme" in raw else None,
        )
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise RarError(f"{path} is malformed ({error}): write it again with this version of the code") from error
    _check(path, results)
    if results.truth != results.scheme and not other_truth:
        shapes = f"{results.scheme}-point shapes beside {results.truth}-point annotations"
        raise RarError(f"{path} holds {shapes}: python3 -m tools.evaluate cofw or aflw maps one to the other")
    return results


def _scheme(path: Path, said: Any) -> str:
    """The name of the scheme that the file names or describes."""
    if isinstance(said, str) and said not in SCHEMES:
        raise RarError(f"{path}: unknown landmark scheme {said!r}: use one of {', '.join(SCHEMES)}, or describe yours")
    try:
        return scheme(said).name
    except RarError as error:
        raise RarError(f"{path}: {error}") from None


def _model(raw: dict[str, Any]) -> Model:
    named = {name: str(raw[name]) for name in ("name", "weights", "sha256", "commit")}
    seed = raw.get("seed")
    return Model(**named, version=str(raw.get("version", "")), seed=None if seed is None else int(seed))


def _data(raw: dict[str, Any]) -> Data:
    sets = {str(name): (str(cut["boxes"]), float(cut["margin"])) for name, cut in raw.get("sets", {}).items()}
    return Data(str(raw["boxes"]), float(raw["margin"]), str(raw["raw"]), str(raw["note"]), sets)


def _data_as_json(data: Data) -> dict[str, Any]:
    sets = {name: {"boxes": boxes, "margin": margin} for name, (boxes, margin) in data.sets.items()}
    stored = {"boxes": data.boxes, "margin": data.margin, "raw": data.raw, "note": data.note}
    return {**stored, "sets": sets} if sets else stored


def _decode(path: Path, number: int, face: Any) -> FaceResult:
    if not isinstance(face, dict):
        raise RarError(f"{path}: face number {number} is not an object: write it again")
    name = face.get("name", f"number {number}")
    try:
        return FaceResult(
            name=str(face["name"]),
            subset=str(face["subset"]),
            centres=_whole(face["centres"]),
            hidden=_whole(face["hidden"]) if "hidden" in face else None,
            **{key: np.array(face[key], dtype=np.float64)
               for key in ("ground_truth", "s_d", "stages", "confidence", "peak", "box")},
        )  # fmt: skip
    except KeyError as error:
        raise RarError(f"{path}: face {name} lacks the key {error}: write the file again") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise RarError(f"{path}: face {name} holds something else than numbers in rows: write it again") from error


def _whole(values: Any) -> NDArray[np.int64]:
    """Landmarks' numbers; ValueError for fractions, which numpy would cut off."""
    found = np.array(values)
    if found.size and found.dtype.kind != "i":
        raise ValueError("not whole numbers")
    return found.astype(np.int64)


def _check(path: Path, results: Results) -> None:
    if not isinstance(results.steps, int) or results.steps < 0:
        raise RarError(f"{path}: steps is {results.steps!r}: it must be a count")
    if not results.faces:
        raise RarError(f"{path} holds no face: test the model on data that are present")
    _check_names(path, results.faces)
    landmarks, steps = scheme(results.scheme).landmarks, results.steps
    shapes = {
        "ground_truth": (scheme(results.truth).landmarks, 2),
        "s_d": (landmarks, 2),
        "stages": (steps + 1, landmarks, 2),
        "centres": (steps,),
        "confidence": (steps, landmarks),
        "peak": (landmarks,),
        "box": (4,),
    }
    for face in results.faces:
        told = {} if face.hidden is None else {"hidden": (scheme(results.truth).landmarks,)}
        _check_face(path, face, {**shapes, **told}, landmarks)


def _check_names(path: Path, faces: Iterable[FaceResult]) -> None:
    name, count = Counter(face.name for face in faces).most_common(1)[0]
    if count > 1:
        raise RarError(f"{path}: face {name} is there {count} times: each face counts once, remove the copies")


def _check_face(path: Path, face: FaceResult, shapes: dict[str, tuple[int, ...]], landmarks: int) -> None:
    for key, shape in shapes.items():
        values = np.asarray(getattr(face, key))
        if values.shape != shape and values.size + np.prod(shape) > 0:
            raise RarError(f"{path}: face {face.name}: {key} has the shape {values.shape}, not {shape}: write it again")
        if not np.isfinite(values).all():
            raise RarError(f"{path}: face {face.name}: {key} holds NaN or infinity: a diverged model? test another")
        if key in PIXELS and (np.abs(values) > FARTHEST).any():
            raise RarError(f"{path}: face {face.name}: {key} is {FARTHEST:g} px off: a diverged model? test another")
    if ((face.centres < 0) | (face.centres >= landmarks)).any():
        raise RarError(f"{path}: face {face.name}: a centre is no landmark index below {landmarks}: write it again")
    if face.hidden is not None and not np.isin(face.hidden, (0, 1)).all():
        raise RarError(f"{path}: face {face.name}: hidden holds something else than 0 and 1: write it again")
