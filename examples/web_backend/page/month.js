// The last 30 days. The page reads them once, and then draws what it knows.

import { ask } from "./api.js";
import { now } from "./clock.js";
import { $ } from "./elements.js";
import { DAYS, draw } from "./timeline.js";

// The chart has room for about this many pages of events, so it shows the newest ones.
const MOST_PAGES = 5;

export async function readMonth(record) {
  const since = new Date(now() - DAYS * 86_400_000).toISOString();
  let isWhole = true;
  let unreadable = 0;
  try {
    for (const status of ["active", "closed", "expired"]) {
      let cursor = null;
      for (let page = 0; page === 0 || cursor; page += 1) {
        if (page === MOST_PAGES) {
          isWhole = false;
          break;
        }
        const parameters = { status, since, limit: 200, ...(cursor && { cursor }) };
        const answer = await ask("/api/events", { parameters });
        answer.events.forEach((event) => record.remember(event));
        unreadable += answer.unreadable;
        cursor = answer.next_cursor;
      }
    }
    $("month-problem").textContent = [
      isWhole ? "" : "Only the newest events are shown.",
      unreadable ? `Rows that cannot be read: ${unreadable}.` : "",
    ].join(" ").trim();
  } catch (error) {
    $("month-problem").textContent = `The last 30 days cannot be read: ${error.message}`;
    setTimeout(readMonth, 10_000, record);
  }
  showMonth(record);
}

export function showMonth(record) {
  draw($("timeline"), record.history.values(), now(), (text, event) => {
    if ($("detail").textContent !== text) $("detail").textContent = text;
    $("show-record").dataset.id = event.id;
    $("show-record").hidden = false;
  });
}
