"""tools.web.worker on the small preset."""

from __future__ import annotations

from tests.tools.on_small import run

if __name__ == "__main__":
    run("tools.web.worker")
