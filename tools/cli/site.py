"""What mkdocs does not do by itself: the README as the first page, and files outside docs/ as links to the source."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def on_files(files: Any, config: Any) -> Any:
    """Add index.md, made of the README, and copies of what pages link to outside docs/."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, "index.md", content=front_page()))
    for path in linked_outside():
        files.append(File.generated(config, f"source/{path}", content=(ROOT / path).read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links to ../FILE are links to the copies."""
    return re.sub(r"\]\(\.\./([^)#]+)", r"](source/\1", markdown)


def front_page() -> str:
    """The README with its links as seen from docs/."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = text.replace("](docs/", "](")
    return re.sub(r"\]\((?!https?:|#|[a-z-]+\.(?:md|svg|jpg))([^)]+)\)", r"](../\1)", text)


def linked_outside() -> list[str]:
    """Files outside docs/ that the pages or the README link to."""
    pages = [*(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")), front_page()]
    found = {match[1] for text in pages for match in re.finditer(r"\]\(\.\./([^)#]+)", text)}
    for page in [ROOT / path for path in found if path.endswith(".md")]:  # and the pictures of a model's card
        pictures = re.findall(r"!\[[^\]]*\]\(([^):]+)\)", page.read_text(encoding="utf-8"))
        found |= {str((page.parent / picture).relative_to(ROOT)) for picture in pictures}
    return sorted(path for path in found if (ROOT / path).is_file())
