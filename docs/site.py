"""What mkdocs is told beside mkdocs.yml: pages and files from outside of docs/ belong to the site.

README.md is the first page. What else the pages link to outside of docs/ (run files, spaces, the
READMEs of objectives, the changelog) stands below project/, by the same path as in the checkout.
The list of decisions is made of their titles.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"(\]\()([^)\s#:]+)((?:#[^)\s]*)?\))")
PROJECT = "project"
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the first page, and what lies outside of docs/ and is linked to."""
    texts = {"README.md": (ROOT / "README.md").read_text("utf-8")}
    for file in files.documentation_pages():
        texts[f"docs/{file.src_uri}"] = file.content_string
    wanted = list(texts.items())
    added: set[str] = set()
    while wanted:
        source, text = wanted.pop()
        for _, link, _ in LINK.findall(text):
            target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
            if target in added or target.startswith(("docs", "..")) or not _is_file(target):
                continue
            added.add(target)
            if target.endswith(".md"):
                wanted.append((target, (ROOT / target).read_text("utf-8")))
    for target in sorted(added - {"README.md"}):
        path = str(ROOT / target)
        files.append(File.generated(config, f"{PROJECT}/{target}", abs_src_path=path))
    path = str(ROOT / "README.md")
    files.append(File.generated(config, "index.md", abs_src_path=path))
    files.append(File.generated(config, "decisions/index.md", content=_decisions()))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Links as they lead within the site; code is left alone."""
    source = _source(page.file.src_uri)

    def moved(match: re.Match[str]) -> str:
        link = match[2]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
        place = _place(target)
        if place is None:
            return match[0]
        return match[1] + posixpath.relpath(place, posixpath.dirname(page.file.src_uri)) + match[3]

    parts = FENCE.split(markdown)
    return "".join(part if part.startswith("```") else LINK.sub(moved, part) for part in parts)


def _decisions() -> str:
    """A page that lists them."""
    lines = ["# Decisions", "", "A page each: what was decided, and the evidence.", ""]
    for path in sorted((ROOT / "docs" / "decisions").glob("*.md")):
        title = path.read_text("utf-8").partition("\n")[0].lstrip("# ")
        lines.append(f"- [{title}]({path.name})")
    return "\n".join(lines)


def _is_file(target: str) -> bool:
    return (ROOT / target).is_file()


def _source(place: str) -> str:
    """Of a page of the site, the path in the checkout."""
    if place == "index.md":
        return "README.md"
    start = f"{PROJECT}/"
    return place.removeprefix(start) if place.startswith(start) else f"docs/{place}"


def _place(target: str) -> str | None:
    """Of a path in the checkout, that in the site; None for what is no file."""
    if target == "README.md":
        return "index.md"
    if target == "docs/decisions":
        return "decisions/index.md"
    if not _is_file(target):
        return None
    return target.removeprefix("docs/") if target.startswith("docs/") else f"{PROJECT}/{target}"
