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
      isWhole ? "" : "There are more events than are drawn here; these are the newest.",
      unreadable ? `Not drawn, because they cannot be read: ${unreadable}.` : "",
    ].join(" ").trim();
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
