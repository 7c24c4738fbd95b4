// The stream of changes, and the line that says whether the page is up to date.

import { refusalOf, TRY_AGAIN } from "./api.js";
import * as clock from "./clock.js";
import { $ } from "./elements.js";

// The server reads the table and sends a message several times in this time. Without any message
// the server or the connection is gone.
const SILENCE = 30_000;
const LOST = "The connection is lost. Trying again.";
const REFUSED = {
  "too-many-streams": "Too many pages are open. This page is not up to date. It will try again.",
  "too-many-streams-of-yours": "You have too many pages open. Close another one to keep this page up to date. It will try again.",
};

export class Connection {
  #take;
  #changed;
  #heardAt = Date.now();
  #readAt = null;
  // Whether the latest message was current.
  #isCurrent = false;

  // The connection calls `take` with each message about who holds access, and `changed` when its
  // state changes.
  constructor({ take, changed }) {
    this.#take = take;
    this.#changed = changed;
  }

  get isCurrent() {
    return $("connection").dataset.state === "current";
  }

  // Whether the page has ever received who holds access.
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
      this.say("stale", "The record cannot be read yet. This page may be out of date.");
    });
    source.addEventListener("error", () => {
      // After an answer that is not a stream, the browser does not try again.
      if (source.readyState === EventSource.CLOSED) {
        refusalOf("/api/changes").then((refusal) => this.#comeBack(refusal));
      } else this.say("lost", LOST);
    });
  }

  #comeBack(refusal) {
    if (refusal?.status === 401) {
      this.say("lost", "You are signed out. Sign in and reload this page.");
      return;
    }
    this.say("lost", REFUSED[refusal?.name] ?? LOST);
    setTimeout(() => this.follow(), (refusal?.retryAfter ?? TRY_AGAIN) * 1000);
  }

  // Say whether the page is current. `isSure` is false while a question about an event is open.
  sayCurrency(isSure) {
    if (this.#isCurrent && isSure) this.say("current", "Live.");
    else this.say("stale", "The record cannot be read. This page may be out of date.");
  }

  // The same after an answer to a request. Such an answer does not restore a lost stream.
  updateCurrency(isSure) {
    if ($("connection").dataset.state !== "lost" && this.hasRead) this.sayCurrency(isSure);
  }

  noticeSilence() {
    if (Date.now() - this.#heardAt > SILENCE && this.isCurrent) {
      this.say("lost", "The server has sent nothing for a while. This page may be out of date.");
    }
  }

  say(state, text) {
    $("connection").dataset.state = state;
    // Screen readers announce each change of this text, so it changes only if it differs.
    if ($("connection-text").textContent !== text) $("connection-text").textContent = text;
    if (this.hasRead) {
      $("read-at").dataset.at = this.#readAt;
      $("read-at").textContent = `As of ${clock.timeWithSeconds.format(Date.parse(this.#readAt))}.`;
    }
    document.body.classList.toggle("stale", state !== "current");
    this.#changed();
  }
}
