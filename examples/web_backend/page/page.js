// The page: who holds access now, a form to open it, and the last 30 days.
//
// Names and justifications are other people's text. They reach the document as text content or as
// attributes of labels, never as HTML; the Content-Security-Policy enforces it.

import { ask, newEventId } from "./api.js";
import { attempt, refuse } from "./forms.js";
import { DAYS, draw, standing } from "./timeline.js";

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

let me = null;
let held = new Map();
const history = new Map();
let offset = 0;
let heardAt = Date.now();

// Access runs out by the server's clock. This machine's may be wrong.
const now = () => Date.now() + offset;

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
  source.addEventListener("snapshot", (message) => take(JSON.parse(message.data), true));
  source.addEventListener("update", (message) => take(JSON.parse(message.data), false));
  source.addEventListener("error", () => {
    showConnection("lost", "The connection is lost, and is being tried again.");
    // After an answer that is no stream a browser does not try again by itself.
    if (source.readyState === EventSource.CLOSED) ask("/api/me").then(comeBack, comeBack);
  });
}

function comeBack(answer) {
  if (answer.status === 401) showConnection("lost", "You are signed out. Sign in, and reload.");
  else setTimeout(follow, 5000);
}

function take(message, isSnapshot) {
  heardAt = Date.now();
  offset = Date.parse(message.now) - heardAt;
  const before = held;
  const first = isSnapshot && $("connection").dataset.state === "connecting";
  held = isSnapshot ? new Map() : new Map(before);
  for (const event of message.held) {
    held.set(event.id, event);
    history.set(event.id, event);
  }
  for (const id of message.ended) held.delete(id);
  for (const event of held.values()) {
    if (before.has(event.id) || first) continue;
    announce(`${event.invoker} now holds access to ${event.profile}.`);
  }
  for (const event of before.values()) if (!held.has(event.id)) hasEnded(event);
  $("read-at").dataset.at = message.read_at ?? "";
  if (message.is_current) showConnection("current", "Live.");
  else showConnection("stale", "The record cannot be read. What is shown may have changed since.");
  if (unanswered && held.has(unanswered.id)) haveOpened(held.get(unanswered.id));
  showHeld();
  if (message.held.length || message.ended.length) showMonth();
}

async function hasEnded(event) {
  announce(`Access of ${event.invoker} to ${event.profile} has ended.`);
  try {
    history.set(event.id, await ask(`/api/events/${event.id}`));
  } catch (error) {
    if (error.status === 404) history.delete(event.id);
  }
  showMonth();
}

function showConnection(state, text) {
  $("connection").dataset.state = state;
  // Said once, not with each message.
  if ($("connection-text").textContent !== text) $("connection-text").textContent = text;
  const at = $("read-at").dataset.at;
  $("read-at").textContent = at ? `As of ${seconds.format(Date.parse(at))}.` : "";
  document.body.classList.toggle("stale", state !== "current");
}

function announce(text) {
  const line = document.createElement("p");
  line.textContent = text;
  $("announcer").append(line);
  if ($("announcer").children.length > 20) $("announcer").firstElementChild.remove();
}

function showHeld() {
  const events = [...held.values()]
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
  // Nobody is said only where it is known.
  $("nobody").hidden = events.length > 0 || !$("read-at").dataset.at;
}

function newItem(id) {
  const item = $("holder").content.firstElementChild.cloneNode(true);
  item.dataset.id = id;
  item.querySelector(".end").addEventListener("click", () => askToClose(held.get(id)));
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
  $("open").reset();
  refuse($("open"), null);
  accept(event);
}

// --- closing ---

let closing = null;

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
  await attempt(submission.target, async () => {
    accept(await ask(`/api/events/${closing.id}/close`, { method: "POST", body }));
    $("closing").close();
  });
});

// --- both ---

// The answer is newer than anything that the stream has told.
function accept(event) {
  history.set(event.id, event);
  const before = held;
  held = new Map(before);
  if (standing(event, now()) === "active") held.set(event.id, event);
  else held.delete(event.id);
  if (held.has(event.id) !== before.has(event.id)) {
    announce(held.has(event.id)
      ? `You now hold access to ${event.profile}.`
      : `Access of ${event.invoker} to ${event.profile} is closed.`);
  }
  showHeld();
  showMonth();
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
        for (const event of events) {
          const known = history.get(event.id);
          if (!known || Date.parse(known.updated_at) < Date.parse(event.updated_at)) {
            history.set(event.id, event);
          }
        }
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
  draw($("timeline"), history.values(), now(), (text) => {
    if ($("detail").textContent !== text) $("detail").textContent = text;
  });
}

start();
