"""The built site in a browser."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.backends import unavailable
from tests.documents.pages import ROOT
from tests.documents.programs import PATIENCE
from tests.web_backend.chromium import chromium, installed

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGES = ("docs/operations", "docs/tutorial")
"""The pages with the longest commands and outputs; all pages share one style sheet."""

# Rounding may cost one pixel.
HIDDEN = """blocks => blocks
    .filter(block => block.scrollWidth > block.clientWidth + 1)
    .map(block => block.textContent)"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    settings = {
        "include_patterns": ",".join(f"{page}.md" for page in PAGES),
        "root_doc": PAGES[0],
    }
    options = [word for name, value in settings.items() for word in ("-D", f"{name}={value}")]
    command = [sys.executable, "-m", "sphinx", "-Q", "-c", str(ROOT / "docs"), *options]
    subprocess.run([*command, str(ROOT), str(folder)], check=True)
    return folder


async def test_no_code_block_hides_the_end_of_a_line(site: Path) -> None:
    executable = installed()
    if executable is None:
        unavailable("the site's test needs `chromium`: apt-get install chromium")
    async with chromium(executable) as browser:
        for width in (1280, 400):
            page = await browser.new_page(viewport={"width": width, "height": 900})
            page.set_default_timeout(PATIENCE * 1000)
            for name in PAGES:
                await page.goto((site / f"{name}.html").as_uri())
                assert await page.locator("pre").count() > 5
                assert await page.locator("pre").evaluate_all(HIDDEN) == [], f"{name}, {width} px"
