// The page: who holds access now, a form to open it, reviews, the last 30 days, and the past.
//
// Names and justifications are other people's text. They reach the document as text content or as
// attributes of labels, never as HTML; the Content-Security-Policy enforces it.

import { ask, TRY_AGAIN } from "./api.js";
import { Closing } from "./closing.js";
import { now } from "./clock.js";
import { Connection } from "./connection.js";
import { Dossier } from "./dossier.js";
import { $ } from "./elements.js";
import { Extending } from "./extending.js";
import { showHolders, showNobody, showUnreadable } from "./holders.js";
import { readMonth, showMonth } from "./month.js";
import { Opening } from "./opening.js";
import { Past } from "./past.js";
import { Record } from "./record.js";
import { Reviews } from "./reviews.js";
import { Rules } from "./rules.js";

let me = null;
// How many rows with status active cannot be read.
let unreadable = 0;

const record = new Record({
  now,
  announce,
  changed() {
    connection.updateCurrency(record.isSure);
    showHeld();
    showMonth(record);
    reviews.show();
  },
});

const connection = new Connection({
  take(message) {
    record.take(message);
    unreadable = message.unreadable;
    showUnreadable(unreadable);
    connection.sayCurrency(record.isSure);
    opening.look(record.held);
    showHeld();
    if (message.held.length || message.ended.length) {
      showMonth(record);
      rules.ask();
    }
    if (message.ended.length) reviews.load();
  },
  changed: showWhetherNobody,
});

const rules = new Rules();

const opening = new Opening(accept, rules);

// Another person has changed or deleted an event that the page shows.
const haveChanged = (id) => record.look(id);

const takers = { accept, haveChanged, announce };

const extending = new Extending(takers);

const dossier = new Dossier({ record, ...takers });

const askForRecord = (id) => dossier.open(id);

const reviews = new Reviews({ record, now, askForRecord, ...takers });

new Past({ record, now, askForRecord });

$("show-record").addEventListener("click", () => askForRecord($("show-record").dataset.id));

const closing = new Closing({
  accept,
  haveEnded(event) {
    record.end(event);
    showHeld();
  },
});

function accept(event) {
  const isHeld = record.accept(event);
  showHeld();
  showMonth(record);
  reviews.show();
  return isHeld;
}

function showHeld() {
  showHolders(record, me, {
    close: (event) => closing.askFor(event),
    extend: (event) => extending.askFor(event),
    show: (event) => askForRecord(event.id),
  });
  showWhetherNobody();
}

function showWhetherNobody() {
  const { hasRead, isCurrent } = connection;
  showNobody({ hasRead, isKnown: isCurrent && !record.isAsking && unreadable === 0 });
}

function announce(text) {
  const line = document.createElement("p");
  line.textContent = text;
  $("announcer").append(line);
  if ($("announcer").children.length > 20) $("announcer").firstElementChild.remove();
}

async function start() {
  if ($("sign-in").hidden) await offerToSignIn();
  try {
    me = await ask("/api/me");
  } catch (error) {
    if (error.status === 401) {
      connection.say("lost", "Sign in to see who holds access.");
    } else {
      connection.say("lost", `${error.message} Trying again.`);
      setTimeout(start, (error.retryAfter ?? TRY_AGAIN) * 1000);
    }
    return;
  }
  $("person").value = me.name;
  $("my-name").textContent = me.name;
  $("my-role").hidden = !me.is_reviewer;
  $("me").hidden = false;
  opening.offer(me.profiles);
  dossier.start(me);
  document.querySelector("main").hidden = false;
  connection.follow();
  reviews.start(me);
  setInterval(tick, 1000);
  setInterval(showMonth, 60_000, record);
  setInterval(() => rules.ask(), 30_000);
  new ResizeObserver(() => showMonth(record)).observe($("timeline"));
  await readMonth(record);
}

function tick() {
  connection.noticeSilence();
  showHeld();
}

// Windows share the sign-in, and this page must not say that it acts for somebody else.
async function noticeSignIn() {
  const signedIn = await ask("/api/me").catch(() => null);
  if (me && signedIn && signedIn.name !== me.name) location.reload();
}

async function offerToSignIn() {
  const people = await ask("/demo/sign-in").catch(() => []);
  $("sign-in").hidden = people.length === 0;
  $("person").replaceChildren(...people.map((name) => new Option(name, name)));
}

$("sign-in").addEventListener("submit", async (submission) => {
  submission.preventDefault();
  try {
    await ask("/demo/sign-in", { method: "POST", body: { name: $("person").value } });
    location.reload();
  } catch (error) {
    $("sign-in-problem").textContent = error.message;
  }
});

addEventListener("focus", noticeSignIn);

start();
