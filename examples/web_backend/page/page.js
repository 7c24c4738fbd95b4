// The page: who holds access now, a form to open it, and the last 30 days.
//
// Names and justifications are other people's text. They reach the document as text content or as
// attributes of labels, never as HTML; the Content-Security-Policy enforces it.

import { ask, newEventId, Refusal, refusalOf } from "./api.js";
import { attempt, refuse } from "./forms.js";
import { Record } from "./record.js";
import { DAYS, draw } from "./timeline.js";

const $ = (id) => document.getElementById(id);
const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const seconds = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit", minute: "2-digit", second: "2-digit",
});

// No message for so long means that the server, or the way to it, is gone: it reads the table, and
// says so, several times in this time.
const SILENCE = 30_000;
const SOON = 5 * 60_000;
// The picture has room for about as many; the newest are drawn.
const MOST_PAGES = 5;
const LOST = "The connection is lost, and is being tried again.";
const TOO_MANY = "Too many pages are open. This one is not kept up to date; it tries again by itself.";

let me = null;
let offset = 0;
let heardAt = Date.now();
// What the latest message says of itself.
let isCurrent = false;

// Access runs out by the server's clock. This machine's may be wrong.
const now = () => Date.now() + offset;

const record = new Record({
  now,
  announce,
  changed() {
    // A stream that is lost is not found again by an answer.
    if ($("connection").dataset.state !== "lost" && $("read-at").dataset.at) showCurrency();
    showHeld();
    showMonth();
  },
});

// --- who is asking ---

async function start() {
  const people = await ask("/demo/sign-in").catch(() => []);
  $("sign-in").hidden = people.length === 0;
  $("person").replaceChildren(...people.map((name) => new Option(name, name)));
  try {
    me = await ask("/api/me");
  } catch (error) {
    showConnection("lost", error.status === 401 ? "Sign in to see who holds access." : error.message);
    return;
  }
  $("person").value = me.name;
  $("my-name").textContent = me.name;
  $("my-role").hidden = !me.is_reviewer;
  $("me").hidden = false;
  // Nothing is chosen beforehand: in a hurry that would be what is opened.
  $("profile").replaceChildren(
    new Option("Choose …", ""), ...me.profiles.map((name) => new Option(name, name)),
  );
  document.querySelector("main").hidden = false;
  follow();
  setInterval(tick, 1000);
  setInterval(showMonth, 60_000);
  new ResizeObserver(showMonth).observe($("timeline"));
  await readMonth();
}

$("sign-in").addEventListener("submit", async (submission) => {
  submission.preventDefault();
  await ask("/demo/sign-in", { method: "POST", body: { name: $("person").value } });
  location.reload();
});

// --- who holds access ---

function follow() {
  const source = new EventSource("/api/changes");
  const listen = (kind, take) => source.addEventListener(kind, (message) => {
    const content = JSON.parse(message.data);
    heardAt = Date.now();
    offset = Date.parse(content.now) - heardAt;
    take(content);
  });
  listen("snapshot", take);
  listen("update", take);
  listen("unread", () => {
    isCurrent = false;
    showConnection("stale", "The record cannot be read yet. What is shown may have changed.");
  });
  source.addEventListener("error", () => {
    // After an answer that is no stream a browser does not try again by itself.
    if (source.readyState === EventSource.CLOSED) refusalOf("/api/changes").then(comeBack);
    else showConnection("lost", LOST);
  });
}

function comeBack(refusal) {
  if (refusal?.status === 401) {
    showConnection("lost", "You are signed out. Sign in, and reload.");
    return;
  }
  showConnection("lost", refusal?.name === "too-many-streams" ? TOO_MANY : LOST);
  setTimeout(follow, (refusal?.retryAfter ?? 5) * 1000);
}

function take(message) {
  isCurrent = message.is_current;
  record.take(message);
  $("read-at").dataset.at = message.read_at;
  showCurrency();
  const opened = unanswered && record.held.get(unanswered.id);
  if (opened) haveOpened(opened);
  showHeld();
  if (message.held.length || message.ended.length) showMonth();
}

function showCurrency() {
  if (isCurrent && record.isSure) showConnection("current", "Live.");
  else showConnection("stale", "The record cannot be read. What is shown may have changed since.");
}

function showConnection(state, text) {
  $("connection").dataset.state = state;
  // Said once, not with each message.
  if ($("connection-text").textContent !== text) $("connection-text").textContent = text;
  const at = $("read-at").dataset.at;
  $("read-at").textContent = at ? `As of ${seconds.format(Date.parse(at))}.` : "";
  document.body.classList.toggle("stale", state !== "current");
  showNobody();
}

function announce(text) {
  const line = document.createElement("p");
  line.textContent = text;
  $("announcer").append(line);
  if ($("announcer").children.length > 20) $("announcer").firstElementChild.remove();
}

function showHeld() {
  const events = [...record.held.values()]
    .filter((event) => Date.parse(event.expires_at) > now())
    .sort((one, other) => Date.parse(other.created_at) - Date.parse(one.created_at));
  const shown = new Map([...$("held").children].map((item) => [item.dataset.id, item]));
  for (const [id, item] of shown) if (!events.some((event) => event.id === id)) item.remove();
  events.forEach((event, index) => {
    const item = shown.get(event.id) ?? newItem(event.id);
    fill(item, event);
    const there = $("held").children[index] ?? null;
    if (there !== item) $("held").insertBefore(item, there);
  });
  $("count").hidden = events.length === 0;
  $("count").textContent = events.length;
  showNobody();
}

// Nobody is said only where it is known.
function showNobody() {
  const text = $("connection").dataset.state === "current"
    ? "Nobody holds emergency access." : "Nobody that is known of.";
  if ($("nobody").textContent !== text) $("nobody").textContent = text;
  $("nobody").hidden = $("held").children.length > 0 || !$("read-at").dataset.at;
}

function newItem(id) {
  const item = $("holder").content.firstElementChild.cloneNode(true);
  item.dataset.id = id;
  item.querySelector(".end").addEventListener("click", () => askToClose(record.held.get(id)));
  return item;
}

function fill(item, event) {
  const put = (name, text) => {
    const element = item.querySelector(name);
    if (element.textContent !== text) element.textContent = text;
  };
  const left = Date.parse(event.expires_at) - now();
  put(".profile", event.profile);
  put(".invoker", event.invoker);
  put(".reason", event.reason_code);
  put(".why", event.justification);
  put(".countdown", countdown(left));
  put(".until", `left, until ${time.format(Date.parse(event.expires_at))}`);
  item.classList.toggle("soon", left < SOON);
  item.querySelector(".you").hidden = event.invoker !== me.name;
  const end = item.querySelector(".end");
  end.hidden = event.invoker !== me.name && !me.is_reviewer;
  end.setAttribute("aria-label", `Close access of ${event.invoker} to ${event.profile}`);
  const bar = item.querySelector("progress");
  bar.max = Date.parse(event.expires_at) - Date.parse(event.created_at);
  bar.value = Math.max(0, left);
}

function countdown(left) {
  const total = Math.max(0, Math.ceil(left / 1000));
  const parts = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  if (parts[0] === 0) parts.shift();
  return parts.map((part, index) => (index ? String(part).padStart(2, "0") : part)).join(":");
}

function tick() {
  if (Date.now() - heardAt > SILENCE && $("connection").dataset.state === "current") {
    showConnection("lost", "Nothing has been heard from the server. What is shown may have changed.");
  }
  showHeld();
}

// --- opening ---

// What was sent last, without a clear answer. Sent again as it was, with the id that it had, it is
// recognised, so that nothing is opened twice; once anything is changed it is another request.
let unanswered = null;

const ENDED_SINCE = {
  title: "It has ended",
  detail: "It was opened, and has ended since. Send it again to open it anew.",
};

$("open").addEventListener("input", () => { unanswered = null; });

$("open").addEventListener("submit", async (submission) => {
  submission.preventDefault();
  const form = submission.target;
  const fields = Object.fromEntries(new FormData(form));
  const opening = unanswered ?? { id: newEventId(), ...fields };
  await attempt(form, async () => {
    try {
      haveOpened(await ask("/api/events", { method: "POST", body: opening }));
    } catch (error) {
      unanswered = error.outcomeUnknown ? opening : null;
      throw error;
    }
  });
});

// The answer to the request says so, or where that was lost, the stream does later.
function haveOpened(event) {
  unanswered = null;
  if (!accept(event)) throw new Refusal(ENDED_SINCE, 200);
  $("open").reset();
  refuse($("open"), null);
}

// --- closing ---

let closing = null;
// What was to be closed last without a clear answer.
let unclear = null;

function askToClose(event) {
  closing = event;
  $("close").reset();
  refuse($("close"), null);
  $("closing-what").textContent = `${event.invoker} holds access to ${event.profile} until ${time.format(Date.parse(event.expires_at))}.`;
  $("closing").showModal();
}

$("keep").addEventListener("click", () => $("closing").close());

$("close").addEventListener("submit", async (submission) => {
  submission.preventDefault();
  const body = { reason: $("close-reason").value };
  const event = closing;
  await attempt(submission.target, async () => {
    try {
      accept(await ask(`/api/events/${event.id}/close`, { method: "POST", body }));
    } catch (error) {
      if (error.outcomeUnknown) unclear = event.id;
      if (error.name !== "invalid-state-transition") throw error;
      record.end(event);
      showHeld();
      // A repetition that finds it closed is what was asked for.
      if (unclear !== event.id || error.problem.current_status !== "closed") throw error;
    }
    unclear = null;
    if (closing === event) $("closing").close();
  });
});

// --- both ---

function accept(event) {
  const isHeld = record.accept(event);
  showHeld();
  showMonth();
  return isHeld;
}

// --- the last 30 days ---

async function readMonth() {
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
    setTimeout(readMonth, 10_000);
  }
  showMonth();
}

function showMonth() {
  draw($("timeline"), record.history.values(), now(), (text) => {
    if ($("detail").textContent !== text) $("detail").textContent = text;
  });
}

start();
