"""A process that draws crops for a training: python3 -m data_prep.live.worker MEMORY CONNECTION (see workers.py)."""

from __future__ import annotations

import mmap
import sys
from contextlib import suppress
from multiprocessing.connection import Connection

import cv2

from data_prep.live.faces import LiveFaces
from data_prep.live.slots import Slots
from layers.common.errors import RarError


def serve(memory: int, connection: Connection) -> None:
    """Draw what is asked for, in order, until the other side hangs up or dies.

    First comes the set, as the arguments of LiveFaces; then pairs (slot, sample). The answer to a pair is "" once the
    crop is in its slot, or what is wrong.
    """
    folder, seed, first_visit = connection.recv()
    faces: LiveFaces | None = None
    slots: Slots | None = None
    while True:
        slot, sample = connection.recv()
        try:
            if faces is None or slots is None:
                faces = LiveFaces(folder, seed, first_visit)
                slots = Slots(mmap.mmap(memory, 0), faces.set.crop_size, faces.set.scheme.landmarks)
            crop = faces.draw(sample)
            slots.image(slot)[...] = crop.image.transpose(2, 0, 1)
            slots.shape(slot)[...] = crop.shape
            answer = ""
        except RarError as error:
            answer = str(error)
        connection.send(answer)


def main() -> None:
    """Draw what the training asks for, until it hangs up."""
    memory, connection = map(int, sys.argv[1:])
    cv2.setNumThreads(1)  # the processes are the parallelism
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the training has ended, in whatever way
        serve(memory, Connection(connection))


if __name__ == "__main__":
    main()
