// The stream of changes, and what is said of how far the page can be relied on.

import { refusalOf, TRY_AGAIN } from "./api.js";
import * as clock from "./clock.js";
import { $ } from "./elements.js";

// No message for so long means that the server, or the way to it, is gone: it reads the table, and
// says so, several times in this time.
const SILENCE = 30_000;
const LOST = "The connection is lost, and is being tried again.";
const REFUSED = {
  "too-many-streams": "Too many pages are open. This one is not kept up to date; it tries again by itself.",
  "too-many-streams-of-yours": "You have too many pages open. This one is not kept up to date until you close another; it tries again by itself.",
};

export class Connection {
  #take;
  #changed;
  #heardAt = Date.now();
  #readAt = null;
  // What the latest message says of itself.
  #isCurrent = false;

  // `take` is called with each message that says who holds access, `changed` when something else is
  // said of the connection.
  constructor({ take, changed }) {
    this.#take = take;
    this.#changed = changed;
  }

  get isCurrent() {
    return $("connection").dataset.state === "current";
  }

  // Whether it has ever been known who holds access.
  get hasRead() {
    return this.#readAt !== null;
  }

  follow() {
    const source = new EventSource("/api/changes");
    const listen = (kind, take) => source.addEventListener(kind, (message) => {
      const content = JSON.parse(message.data);
      this.#heardAt = Date.now();
      clock.set(content.now);
      take(content);
    });
    const take = (message) => {
      this.#isCurrent = message.is_current;
      this.#readAt = message.read_at;
      this.#take(message);
    };
    listen("snapshot", take);
    listen("update", take);
    listen("unread", () => {
      this.#isCurrent = false;
      this.say("stale", "The record cannot be read yet. What is shown may have changed.");
    });
    source.addEventListener("error", () => {
      // After an answer that is no stream a browser does not try again by itself.
      if (source.readyState === EventSource.CLOSED) {
        refusalOf("/api/changes").then((refusal) => this.#comeBack(refusal));
      } else this.say("lost", LOST);
    });
  }

  #comeBack(refusal) {
    if (refusal?.status === 401) {
      this.say("lost", "You are signed out. Sign in, and reload.");
      return;
    }
    this.say("lost", REFUSED[refusal?.name] ?? LOST);
    setTimeout(() => this.follow(), (refusal?.retryAfter ?? TRY_AGAIN) * 1000);
  }

  // Say what a message was worth; `isSure` is whether the page knows the rest.
  sayCurrency(isSure) {
    if (this.#isCurrent && isSure) this.say("current", "Live.");
    else this.say("stale", "The record cannot be read. What is shown may have changed since.");
  }

  // The same where an answer has come in between, with which a stream that is lost is not found.
  updateCurrency(isSure) {
    if ($("connection").dataset.state !== "lost" && this.hasRead) this.sayCurrency(isSure);
  }

  noticeSilence() {
    if (Date.now() - this.#heardAt > SILENCE && this.isCurrent) {
      this.say("lost", "Nothing has been heard from the server. What is shown may have changed.");
    }
  }

  say(state, text) {
    $("connection").dataset.state = state;
    // Said once, not with each message.
    if ($("connection-text").textContent !== text) $("connection-text").textContent = text;
    if (this.hasRead) {
      $("read-at").dataset.at = this.#readAt;
      $("read-at").textContent = `As of ${clock.timeWithSeconds.format(Date.parse(this.#readAt))}.`;
    }
    document.body.classList.toggle("stale", state !== "current");
    this.#changed();
  }
}
