"""The model card beside weights that ship: a README.md whose front matter programs read."""

from __future__ import annotations

from pathlib import Path

CARD = "README.md"


def front_matter(card: Path) -> dict[str, str]:
    """The names and values between the first two lines of three dashes; none where there is no card."""
    if not card.is_file():
        return {}
    _, mark, rest = card.read_text(encoding="utf-8", errors="replace").partition("---\n")
    lines = rest.partition("\n---")[0].splitlines() if mark else []
    return {name: value.strip('"') for name, _, value in (line.partition(": ") for line in lines) if value}
