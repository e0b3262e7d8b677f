"""The shape pool: K-means centres of the training shapes (the basis of eq. 10), and the mean shape.

Command: python3 -m data_prep.shape_pool DATA
"""

from __future__ import annotations

from pathlib import Path

import click
import h5py
import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from data_prep.manifest import read_manifest, write_manifest
from data_prep.patches import open_set
from data_prep.writing import require_space
from layers.common.errors import RarError, run_command
from layers.common.files import file_entry, finished_file
from layers.common.schemes import Scheme, stored_text
from layers.common.shape_pool import FILE
from layers.common.shapes import affine_apply, eye_centres, mirror_shape, similarity_fit

CENTRES = 100  # K; the paper gives none
_TRIES = 4  # K-means starts; more change the inertia by less than one per cent
_ROUNDS = 10  # of aligning to the mean; it settles in three or four

Shapes = NDArray[np.float64]


def normalise_frame(shape: Shapes, scheme: Scheme) -> Shapes:
    """A shape (L, 2) moved to zero mean, turned to level eyes, scaled to an inter-pupil distance of 1."""
    left, right = eye_centres(shape, scheme)
    x, y = (right - left) / np.sum((right - left) ** 2)
    return np.asarray((shape - shape.mean(axis=0)) @ np.array([[x, -y], [y, x]]))


def align(shapes: Shapes, scheme: Scheme) -> tuple[Shapes, Shapes]:
    """Every shape (n, L, 2) fitted by a similarity to the mean of all, and that mean (L, 2) in its own frame."""
    mean = normalise_frame(shapes[0], scheme)
    for _ in range(_ROUNDS):
        aligned = affine_apply(similarity_fit(shapes, np.broadcast_to(mean, shapes.shape)), shapes)
        mean = normalise_frame(aligned.mean(axis=0), scheme)
    return np.asarray(affine_apply(similarity_fit(shapes, np.broadcast_to(mean, shapes.shape)), shapes)), mean


def cluster(shapes: Shapes, count: int, seed: int) -> Shapes:
    """K-means centres (count, L, 2) of aligned shapes, the most populous first."""
    flat = shapes.reshape(len(shapes), -1)
    with threadpool_limits(1):  # the order of a parallel sum would make the last digits a matter of luck
        means = KMeans(count, n_init=_TRIES, random_state=seed, algorithm="lloyd").fit(flat)
    order = np.argsort(-np.bincount(means.labels_, minlength=count), kind="stable")
    return np.asarray(means.cluster_centers_[order].reshape(count, *shapes.shape[1:]))


def write_pool(data: Path, centres: int = CENTRES, seed: int = 0) -> Path:
    """Write DATA/shape_pool.h5 from the plain crops of DATA/train and their mirror images.

    centres (K,L,2) f8 in the frame of the mean shape (zero mean, eyes level and 1 apart); mean_shape (L,2) f8 as a
    fraction of the crop, pixel centres divided by its size. Fewer centres where there are fewer shapes.
    """
    with open_set(data / "train") as train:
        plain = train.copy == 0
        crops = train.shape[plain].astype(np.float64)
        scheme, size = train.scheme, train.crop_size
        names = train.name[plain]
    if not len(crops):
        raise RarError(f"{data / 'train'} has no plain crops to build the shape pool from: prepare it again")
    crops = crops[np.argsort(names)]
    crops = np.concatenate([crops, mirror_shape(crops, scheme, size)])  # no side is favoured
    aligned, _ = align(crops, scheme)
    pool = cluster(aligned, min(centres, len(aligned)), seed)
    with finished_file(data / FILE, durable=True) as part:
        require_space(part, pool.nbytes)
        with h5py.File(part, "w") as file:
            file["centres"], file["mean_shape"] = pool, crops.mean(axis=0) / size
            file.attrs.update({"scheme": stored_text(scheme), "K": len(pool), "seed": seed, "rows": len(aligned)})
    return data / FILE


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--centres", default=CENTRES, show_default=True, type=click.IntRange(1), help="K, shapes in the pool.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
def main(data: Path, centres: int, seed: int) -> None:
    """Write the shape pool of prepared data again, e.g. with another K."""
    book = read_manifest(data)
    path = write_pool(data, centres, seed)
    book["files"][FILE] = file_entry(path)
    write_manifest(data, book)
    with h5py.File(path) as file:
        print(f"{path}: {len(file['centres'])} shapes from {file.attrs['rows']} training shapes")


if __name__ == "__main__":
    run_command(main)
