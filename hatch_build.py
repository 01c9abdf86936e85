"""Makes README.md fit for PyPI, where links and pictures need whole addresses."""

from __future__ import annotations

import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)]+)\)")


def for_pypi(text: str, repository: str | None, tag: str) -> str:
    """Give links and pictures the addresses that they have in the repository, at a tag.

    Without a repository pictures are left out, and of links their words stay.
    """

    def link(found: re.Match[str]) -> str:
        picture, words, path = found.groups()
        if repository is None:
            return "" if picture else words
        kind = "raw" if picture else "blob"
        return f"{picture}[{words}]({repository.rstrip('/')}/{kind}/{tag}/{path})"

    return _LINK.sub(link, text)


class Readme(MetadataHookInterface):
    """Hatchling asks it for the long description."""

    def update(self, metadata: dict) -> None:
        """Put the long description among the metadata of the project."""
        root = Path(self.root)
        version = re.search(r'"([\d.]+\S*)"', (root / "ovr_digits/version.py").read_text())
        text = (root / "README.md").read_text(encoding="utf-8")
        repository = metadata.get("urls", {}).get("Repository")
        text = for_pypi(text, repository, f"v{version[1]}")
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
