// The last 30 days: read once, then drawn from what the page knows.

import { ask } from "./api.js";
import { now } from "./clock.js";
import { $ } from "./elements.js";
import { DAYS, draw } from "./timeline.js";

// The picture has room for about as many; the newest are drawn.
const MOST_PAGES = 5;

export async function readMonth(record) {
  const since = new Date(now() - DAYS * 86_400_000).toISOString();
  let isWhole = true;
  try {
    for (const status of ["active", "closed", "expired"]) {
      let cursor = null;
      for (let page = 0; page === 0 || cursor; page += 1) {
        if (page === MOST_PAGES) {
          isWhole = false;
          break;
        }
        const parameters = { status, since, limit: 200, ...(cursor && { cursor }) };
        const { events, next_cursor: next } = await ask("/api/events", { parameters });
        events.forEach((event) => record.remember(event));
        cursor = next;
      }
    }
    $("month-problem").textContent = isWhole ? "" : "There are more events than are drawn here; these are the newest.";
  } catch (error) {
    $("month-problem").textContent = `The past cannot be read: ${error.message}`;
    setTimeout(readMonth, 10_000, record);
  }
  showMonth(record);
}

export function showMonth(record) {
  draw($("timeline"), record.history.values(), now(), (text) => {
    if ($("detail").textContent !== text) $("detail").textContent = text;
  });
}
