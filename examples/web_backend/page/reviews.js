// The queue of events that wait for a review, for reviewers.
//
// The queue is a list, which lags behind. An answer to one's own review is newer, so the page shows an
// event only if what it knows of the event still belongs into the queue.

import { ask } from "./api.js";
import { Asking } from "./asking.js";
import { instant } from "./clock.js";
import { $ } from "./elements.js";
import { leadBackTo, removeFrom } from "./focus.js";
import { accessOf, facts, isolated, shown } from "./text.js";
import { ending } from "./timeline.js";

const AGAIN = 30_000;

export class Reviews {
  #record;
  #now;
  #askForRecord;
  #me = null;
  #asking;
  #listed = [];
  #cursor = null;
  #pages = 1;
  #loads = 0;
  #hasRead = false;

  constructor({ record, now, askForRecord, ...takers }) {
    this.#record = record;
    this.#now = now;
    this.#askForRecord = askForRecord;
    this.#asking = new Asking("reviewing", takers);
    leadBackTo($("queue"), $("reviewing"));
    leadBackTo($("queue"), $("dossier"));
    $("queue").addEventListener("change", () => {
      this.#pages = 1;
      return this.load();
    });
    $("more").addEventListener("click", () => {
      this.#pages += 1;
      return this.load();
    });
  }

  start(me) {
    this.#me = me;
    $("reviews").hidden = !me.is_reviewer;
    if (!me.is_reviewer) return;
    this.load();
    setInterval(() => this.load(), AGAIN);
  }

  async load() {
    if (!this.#me?.is_reviewer) return;
    const load = ++this.#loads;
    const outcome = $("queue").value;
    const listed = [];
    let cursor = null;
    let unreadable = 0;
    try {
      for (let page = 0; page < this.#pages && (page === 0 || cursor); page += 1) {
        const parameters = { limit: 50, ...(outcome && { outcome }), ...(cursor && { cursor }) };
        const answer = await ask("/api/reviews", { parameters });
        listed.push(...answer.events);
        unreadable += answer.unreadable;
        cursor = answer.next_cursor;
      }
    } catch (error) {
      if (load === this.#loads) $("reviews-problem").textContent = `The queue cannot be read: ${error.message}`;
      return;
    }
    if (load !== this.#loads) return;
    $("reviews-problem").textContent = unreadable ? `Rows that cannot be read: ${unreadable}.` : "";
    listed.forEach((event) => this.#record.remember(event));
    this.#listed = listed.map((event) => event.id);
    this.#cursor = cursor;
    this.#hasRead = true;
    this.show();
  }

  show() {
    if (!this.#hasRead) return;
    const outcome = $("queue").value || null;
    const events = this.#listed
      .map((id) => this.#record.history.get(id))
      .filter((event) => event && event.review_outcome === outcome);
    const items = new Map([...$("waiting").children].map((item) => [item.dataset.id, item]));
    for (const [id, item] of items) {
      if (!events.some((event) => event.id === id)) removeFrom($("queue"), item);
    }
    events.forEach((event, index) => {
      const item = items.get(event.id) ?? this.#newItem(event.id);
      this.#fill(item, event);
      const there = $("waiting").children[index] ?? null;
      if (there !== item) $("waiting").insertBefore(item, there);
    });
    $("waiting-count").hidden = events.length === 0;
    $("waiting-count").textContent = this.#cursor ? `${events.length}+` : events.length;
    $("none-waiting").textContent = outcome ? "No event needs a follow-up." : "No event waits for a review.";
    $("none-waiting").hidden = events.length > 0 || this.#cursor !== null;
    $("more").hidden = this.#cursor === null;
  }

  #newItem(id) {
    const item = $("waiting-item").content.firstElementChild.cloneNode(true);
    item.dataset.id = id;
    item.querySelector(".decide").addEventListener("click", () => this.#askFor(this.#record.history.get(id)));
    item.querySelector(".show").addEventListener("click", () => this.#askForRecord(id));
    return item;
  }

  #fill(item, event) {
    const put = (name, text) => { item.querySelector(name).textContent = text; };
    put(".profile", shown(event.profile));
    put(".invoker", shown(event.invoker));
    put(".reason", event.reason_code);
    put(".when", `${instant.format(Date.parse(event.created_at))} to ${instant.format(ending(event, this.#now()))}`);
    put(".why", shown(event.justification));
    put(".facts", facts(event));
    put(".done", event.closed_reason ? `Closed: ${isolated(event.closed_reason)}` : "Not closed: it expired.");
    put(".earlier", event.review_comment ? `${isolated(event.reviewed_by)} asked: ${isolated(event.review_comment)}` : "");
    const whose = accessOf(event);
    item.querySelector(".decide").setAttribute("aria-label", `Review ${whose}`);
    item.querySelector(".show").setAttribute("aria-label", `Record of ${whose}`);
    item.querySelector(".held").hidden = event.held_by === null;
    // The server refuses it as well.
    const isOwn = event.invoker.toLowerCase() === this.#me.name.toLowerCase();
    item.querySelector(".decide").hidden = isOwn;
    item.querySelector(".own").hidden = !isOwn;
  }

  #askFor(event) {
    $("reviewing-what").textContent = `${isolated(event.invoker)} held access to ${isolated(event.profile)} from ${instant.format(Date.parse(event.created_at))} to ${instant.format(ending(event, this.#now()))}.`;
    $("reviewing-why").textContent = shown(event.justification);
    $("reviewing-facts").textContent = facts(event);
    this.#asking.askFor(event, "review", {
      known: { reviewed_at: event.reviewed_at },
      said: () => `The review of ${accessOf(event)} is recorded.`,
    });
  }
}
