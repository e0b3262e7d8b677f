"""What a visitor may ask of the server, in one place."""

from __future__ import annotations

FORMATS = ("JPEG", "PNG", "WebP", "BMP", "TIFF")
KINDS = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
MOST_BYTES = 20 << 20  # of a picture's file
MOST_PIXELS = 40_000_000
MOST_FACES = 24  # what a picture may cost the other visitors: about 2.5 s with vgg19_128
MOST_NAME = 200  # characters of a file's name

TIME_LIMIT = 20  # s from the file to the answer
MOST_MEMORY = 4 << 30  # bytes of the process that opens pictures

MOST_WAITING = 16  # pictures in the queue
MOST_HELD = MOST_WAITING * MOST_BYTES  # bytes of all pictures, those that are still arriving among them
MOST_CONNECTIONS = 256
RETRY_AFTER = 10  # s, said to those who are refused

HEAD_SECONDS = 10  # for a request without its body, and for an answer to be taken
PAUSE_SECONDS = 10  # the longest without a byte of a body
BODY_SECONDS = 60  # for all of it
