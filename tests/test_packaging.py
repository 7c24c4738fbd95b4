"""What a user downloads, and what PyPI shows."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

import pytest

from tests.documents.pages import MARKDOWN, README, ROOT

pytestmark = pytest.mark.slow

REPOSITORY = "https://github.com/aiobreakglass/aiobreakglass"
IN_REPOSITORY = f"{REPOSITORY}/blob/main/"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tarfile.TarFile]:
    """The source distribution, built from the checkout."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "sdist"]
    subprocess.run([*build, "--directory", str(folder)], cwd=ROOT, check=True, capture_output=True)
    (archive,) = folder.iterdir()
    with tarfile.open(archive) as source:
        yield source


@pytest.fixture(scope="module")
def files(source: tarfile.TarFile) -> set[str]:
    """The paths of its files, as in the checkout."""
    return {Path(*Path(name).parts[1:]).as_posix() for name in source.getnames()}


@pytest.fixture(scope="module")
def metadata(source: tarfile.TarFile) -> Message:
    (name,) = (name for name in source.getnames() if name.endswith("/PKG-INFO"))
    file = source.extractfile(name)
    assert file is not None
    return BytesParser().parse(file)


def links(text: str) -> list[str]:
    inline = [child for token in MARKDOWN.parse(text) for child in token.children or ()]
    targets = [token.attrGet("href") or token.attrGet("src") for token in inline]
    return [str(target) for target in targets if target]


def description(metadata: Message) -> str:
    text = metadata.get_payload(decode=True)
    assert isinstance(text, bytes)
    return text.decode()


def test_source_contains_what_a_build_needs(files: set[str]) -> None:
    """The source has the library, its tests and its pages, and nothing that only our CI needs."""
    assert {
        "LICENSE",
        "README.md",
        "docs/index.md",
        "pyproject.toml",
        "src/aiobreakglass/py.typed",
        "tests/test_packaging.py",
    } <= files
    # Hatch adds this file, which tells it what to leave out.
    assert {file for file in files if file.startswith(".")} == {".gitignore"}


def test_metadata_names_urls_and_author(metadata: Message) -> None:
    urls = dict(url.split(", ") for url in metadata.get_all("Project-URL", []))
    assert urls["Repository"] == REPOSITORY
    assert {"Changelog", "Documentation", "Issues", "Security"} <= urls.keys()
    pages = [url.removeprefix(IN_REPOSITORY) for url in urls.values() if "/blob/" in url]
    assert [page for page in pages if not (ROOT / page).is_file()] == []
    assert metadata["Author"] == "The aiobreakglass maintainers"


def test_pypi_description_is_the_readme(metadata: Message) -> None:
    """The description differs from the README only in links, because PyPI has no other files."""
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert description(metadata).replace(f"]({IN_REPOSITORY}", "](").strip() == README.text.strip()


def test_every_link_on_pypi_has_a_target(metadata: Message) -> None:
    shown = links(description(metadata))
    assert [link for link in shown if not link.startswith(("https://", "#"))] == []
    ours = [link.removeprefix(IN_REPOSITORY) for link in shown if link.startswith(REPOSITORY)]
    assert len(ours) > 20
    assert [link for link in ours if not (ROOT / link.partition("#")[0]).exists()] == []


def test_testing_extra_includes_an_async_plugin(metadata: Message) -> None:
    """Without an async plugin, every test of the contract fails."""
    extra = [line for line in metadata.get_all("Requires-Dist", []) if "'testing'" in line]
    assert any(line.startswith("pytest-asyncio") for line in extra)
