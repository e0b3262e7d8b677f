"""A worker that begins a large reply when its time is over."""

from __future__ import annotations

import sys
import time

from tools.web.frames import LENGTH, framed

if __name__ == "__main__":
    for message in (b"200", b"{}"):
        sys.stdout.buffer.writelines(framed(message))
    sys.stdout.flush()
    sys.stdin.buffer.read(LENGTH.size)
    time.sleep(float(sys.argv[3]) + 0.5)
    sys.stdout.buffer.writelines((*framed(b"200"), LENGTH.pack(2_000_000), bytes(1_900_000)))
    sys.stdout.flush()
    time.sleep(600)
