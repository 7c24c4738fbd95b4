"""Other people's text that reads from right to left, or pretends to."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, expect

from aiobreakglass.testing import make_event
from tests.web_backend.stores import FaultyStore

from .parts import Visit, holders, log

pytestmark = pytest.mark.asyncio(loop_scope="package")

INVOKER = "\N{HEBREW LETTER ALEF}\N{HEBREW LETTER LAMED}\N{HEBREW LETTER VAV}"
PROFILE = "\N{HEBREW LETTER PE}\N{HEBREW LETTER RESH}\N{HEBREW LETTER DALET}"
MARK = "\N{REPLACEMENT CHARACTER}"
LEFT_OF = """
(element, text) => {
  const words = document.createTreeWalker(element, NodeFilter.SHOW_TEXT).nextNode();
  const begin = words.data.indexOf(text);
  if (begin < 0) throw new Error(`no ${text} in ${words.data}`);
  const range = document.createRange();
  range.setStart(words, begin);
  range.setEnd(words, begin + text.length);
  return range.getBoundingClientRect().left;
}
"""


async def are_in_order(sentence: Locator, *parts: str) -> None:
    """Assert that the parts of a one-line sentence are drawn from left to right."""
    places = [await sentence.evaluate(LEFT_OF, part) for part in parts]
    assert places == sorted(places), places


async def test_right_to_left_names_keep_the_sentence_in_order(
    visit: Visit, store: FaultyStore
) -> None:
    """The names read from right to left, and the sentence around them keeps its order."""
    page = await visit("rita", width=1300)
    await store.create(make_event(invoker=INVOKER, profile=PROFILE))
    await expect(holders(page).locator(".invoker")).to_have_text(INVOKER)
    await expect(log(page)).to_contain_text("now holds access to")
    bar = page.locator("#timeline .bar.active")
    await bar.dispatch_event("pointerenter")
    await are_in_order(page.locator("#detail"), PROFILE, INVOKER, "open now", "incident")
    await holders(page).get_by_role("button", name="Close").click()
    what = page.locator("#closing-what")
    await are_in_order(what, INVOKER, "holds access to", PROFILE, "until")


@pytest.mark.parametrize(
    "trick",
    ["\N{RIGHT-TO-LEFT OVERRIDE}", "\N{POP DIRECTIONAL ISOLATE}\N{RIGHT-TO-LEFT OVERRIDE}"],
    ids=["override", "override behind the end of an isolate"],
)
async def test_direction_controls_in_a_justification_are_shown(
    visit: Visit, store: FaultyStore, trick: str
) -> None:
    """A reviewer sees the control characters, and all text in its stored order."""
    why = f"Disks full {trick}on the primary"
    await store.create(make_event(justification=why))
    await store.create(
        make_event(
            invoker="bob",
            justification=why,
            status="closed",
            closed_by="rita",
            closed_reason="Revoked",
        )
    )
    page = await visit("rita", width=1300)
    card = holders(page).locator(".why")
    shown = why.replace(trick, MARK * len(trick))
    await expect(card).to_have_text(shown)
    await are_in_order(card, "Disks", "the", "primary")
    await page.locator("#timeline .bar.closed").dispatch_event("pointerenter")
    detail = page.locator("#detail")
    await are_in_order(detail, "Disks", "the", "primary", "Revo", "ked")
