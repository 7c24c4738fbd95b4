"""The project's pages as a reader meets them: code blocks, links, tables."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.anchors import anchors_plugin

ROOT = Path(__file__).parents[2]

# These are the anchors that GitHub and the built site make.
MARKDOWN = MarkdownIt("commonmark").enable("table").use(anchors_plugin, max_level=6)


@dataclass(frozen=True)
class Block:
    """A block that is shown as code."""

    language: str
    text: str
    line: int
    page: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line} ({self.language})"


@dataclass(frozen=True)
class Page:
    path: Path

    @property
    def name(self) -> str:
        return Path(os.path.relpath(self.path, ROOT)).as_posix()

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tokens(self) -> list[Token]:
        return MARKDOWN.parse(self.text)

    @cached_property
    def blocks(self) -> list[Block]:
        """All blocks in their order: fenced, indented, and raw HTML, which nobody can run."""
        return [
            Block(language_of(token), token.content, token.map[0] + 1, self.name)
            for token in self.tokens
            if token.type in ("fence", "code_block", "html_block") and token.map
        ]

    def texts(self, language: str) -> list[str]:
        return [block.text for block in self.blocks if block.language == language]

    @cached_property
    def links(self) -> list[str]:
        """The targets of its links and images."""
        inline = [child for token in self.tokens for child in token.children or ()]
        targets = [token.attrGet("href") or token.attrGet("src") for token in inline]
        return [str(target) for target in targets if target]

    @cached_property
    def anchors(self) -> set[str]:
        return {str(token.attrGet("id")) for token in self.tokens if token.type == "heading_open"}

    def section(self, heading: str) -> str:
        """The text under a heading, up to the next one."""
        (_, after) = re.split(rf"^#+ {re.escape(heading)}$", self.text, flags=re.MULTILINE)
        return re.split(r"^#", after, flags=re.MULTILINE)[0]

    def rows(self, heading: str) -> list[list[str]]:
        """The cells of the table under a heading."""
        lines = [line for line in self.section(heading).splitlines() if line.startswith("| ")]
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def language_of(token: Token) -> str:
    if token.type == "fence":
        return token.info.split()[0] if token.info.strip() else ""
    return "html" if token.type == "html_block" else ""


def without_particulars(output: str) -> str:
    """The output of a program without what differs between runs: times, ports and ids."""
    output = re.sub(r"127\.0\.0\.1:\d+", "ENDPOINT", output)
    output = re.sub(r"\d{4}-\d\d-\d\dT[\d:.+]+|\d\d:\d\d:\d\d(\.\d{3}Z)?", "TIME", output)
    output = re.sub(r"alice-[0-9a-f]{4}", "ALICE", output)
    output = re.sub(r"\b[0-9a-f]{64}\b", "HASH", output)
    return re.sub(r"\b[0-9a-f]{16}\b", "EVENT", output)


README = Page(ROOT / "README.md")
CONTROLS = Page(ROOT / "docs" / "controls.md")
EVIDENCE = Page(ROOT / "docs" / "evidence.md")
OPERATIONS = Page(ROOT / "docs" / "operations.md")
REFERENCE = Page(ROOT / "docs" / "reference.md")
SCALE = Page(ROOT / "docs" / "scale.md")
TABLE = Page(ROOT / "docs" / "table.md")
PAGES = [
    README,
    *(Page(ROOT / name) for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    *(Page(path) for path in sorted((ROOT / "docs").glob("**/*.md"))),
]
"""The pages whose every block is tried."""

ALL_PAGES = [
    *PAGES,
    *(Page(path) for path in sorted(ROOT.glob("benchmarks/*.md"))),
    *(
        Page(path)
        for path in sorted(ROOT.glob("examples/**/*.md"))
        # Running the examples leaves another page in a hidden folder.
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    ),
]
