"""Adds to the site what is not in docs/: other pages, tour, gallery, names, help, one to draw on.

MkDocs calls the functions named ``on_...`` while it builds the site (its hooks). Links are written
as they hold in the repository, and become those of the site here.
"""

from __future__ import annotations

import ast
import html
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

import click
import nbformat
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter

import ovr_digits
from ovr_digits.cli import main
from ovr_digits.models.modelfile import load_models
from ovr_digits.web.page_file import page_bytes

ROOT = Path(__file__).resolve().parent.parent
RESULTS = "benchmarks/results"
GALLERY = "examples/gallery"
#: Files and folders of the repository, and the pages of the site that show them.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "MODEL_CARD.md": "model-card.md",
    "RELEASING.md": "releasing.md",
    "SECURITY.md": "security.md",
    "benchmarks/README.md": "benchmarks/index.md",
    "docs/tour.ipynb": "tour.md",
    GALLERY: "gallery.md",
    RESULTS: "benchmarks/results/index.md",
}
#: The page to draw on, in one file; and what the start says of it.
DRAW = "draw/index.html"
_INVITATION = f"**[Draw a digit]({DRAW})**, and watch ten detectors vote: in your browser alone.\n"
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")
_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Put the pages and pictures from elsewhere among those of docs/."""
    shared = [*(ROOT / RESULTS).glob("*.md"), *(ROOT / RESULTS).glob("*.png")]
    shared += [*(ROOT / GALLERY).glob("*.png"), *(ROOT / "examples").glob("*.png")]
    here = {path: to for path, to in PAGES.items() if path.endswith(".md")}
    here |= {(path := file.relative_to(ROOT).as_posix()): path for file in shared}
    for path, place in here.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / path)))
    made = {
        "api.md": _api(),
        "benchmarks/results/index.md": _tables(),
        "commands.md": _commands(),
        DRAW: page_bytes(load_models(ROOT / "models.pkl")),
        "gallery.md": _gallery(),
        **_tour(),
    }
    for place, content in made.items():
        files.append(File.generated(config, place, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links that hold in the repository into links of the site."""
    place = page.file.src_uri
    home = {to: path for path, to in PAGES.items()}.get(place, _in_repository(place))

    def link(found: re.Match[str]) -> str:
        picture, text, target, anchor = found.groups(default="")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(home), target))
        if ":" in target or not (ROOT / path).exists():
            return found[0]  # another host's; or none, which MkDocs will say
        there = PAGES.get(path, path.removeprefix("docs/"))
        if files.get_file_from_path(there) is None:
            return found[0] if picture else text
        way = posixpath.relpath(there, posixpath.dirname(place))
        return f"{picture}[{text}]({way}{anchor})"

    markdown = _LINK.sub(link, markdown)
    if place == PAGES["README.md"]:
        title, rest = markdown.split("\n", 1)
        markdown = f"{title}\n\n{_INVITATION}{rest}"
    return markdown


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Set formulas in MathML, which browsers draw without a script."""

    def set_formula(found: re.Match[str]) -> str:
        kind, latex = found[1], html.unescape(found[2]).strip()
        formula = convert(latex, display="block" if kind == "div" else "inline")
        return f'<{kind} class="formula">{formula}</{kind}>'

    return _FORMULA.sub(set_formula, content)


def _in_repository(place: str) -> str:
    return place if (ROOT / place).exists() else f"docs/{place}"


def _api() -> str:
    names = [f"::: ovr_digits.{name}\n" for name in ovr_digits.__all__]
    return "\n".join(
        ["# Every name\n", "All that `import ovr_digits` offers; the rest may change.\n", *names]
    )


def _tables() -> str:
    """List the tables that the benchmarks wrote."""
    lines = ["# Tables", "", "What the programs in `benchmarks/` wrote, each on one machine.", ""]
    for path in sorted((ROOT / RESULTS).glob("*.md")):
        title = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        lines.append(f"- [{title}]({path.name})")
    return "\n".join(lines)


def _commands() -> str:
    """Show what ``--help`` shows, of every command."""
    lines = ["# Every command", "", "What `ovr-digits COMMAND --help` shows.", ""]
    for depth, context in _contexts(main, None, "ovr-digits"):
        lines += [f"{'#' * (depth + 2)} {context.command_path}", ""]
        lines += ["```text", context.get_help(), "```", ""]
    return "\n".join(lines)


def _contexts(
    command: click.Command, parent: click.Context | None, name: str, depth: int = 0
) -> Iterator[tuple[int, click.Context]]:
    settings = command.context_settings | {"terminal_width": 80}
    context = click.Context(command, parent, info_name=name, **settings)
    yield depth, context
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            yield from _contexts(command.commands[inner], context, inner, min(depth + 1, 2))


def _gallery() -> str:
    """Show the scripts of the gallery, with the picture that each names in its first line."""
    lines = ["# Gallery", ""]
    lines += ["Each does one thing, and the tests run it: `python examples/gallery/NAME.py`.", ""]
    for path in sorted((ROOT / GALLERY).glob("*.py")):
        code = path.read_text(encoding="utf-8")
        tree = ast.parse(code)
        title, *about = (ast.get_docstring(tree) or "").split("\n\n")
        body = "\n".join(code.splitlines()[tree.body[0].end_lineno :]).strip()
        lines += [f"## {title.rstrip('.')}", "", *about, "", *_pictures(body)]
        lines += [f'```python title="{GALLERY}/{path.name}"', body, "```", ""]
    return "\n".join(lines)


def _pictures(code: str) -> Iterator[str]:
    """The pictures that a script reads, to be shown above it."""
    for name in dict.fromkeys(re.findall(r'"([\w/.]+\.png)"', code)):
        path = ROOT / GALLERY / name
        if path.exists():
            place = posixpath.normpath(posixpath.join(GALLERY, name))
            yield f"![The picture {path.name}]({place}){{ .example }}\n"


def _tour() -> dict[str, str | bytes]:
    """The notebook as a page, and its pictures: a place on the site and the content of each."""
    notebook = nbformat.read(ROOT / "docs" / "tour.ipynb", as_version=4)
    body, resources = MarkdownExporter().from_notebook_node(
        notebook, {"output_files_dir": "tour", "unique_key": "tour"}
    )
    body = body.replace("![png](", "![What the code above draws](")
    return {"tour.md": body, **resources["outputs"]}
