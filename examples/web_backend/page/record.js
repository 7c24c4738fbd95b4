// What this page knows of the events, from two sources that both may come late: the stream, behind
// which lists are read that lag behind, and the answers to the page's own requests.
//
// A newer version is never replaced by an older one, nor an end by what was before it. Held is what
// the latest message of the stream names. What it does not name is asked for, strongly consistent,
// with each message until both agree: what was opened here, perhaps by way of another replica, is
// held in the meantime; what the stream has named before is not, but that it has ended is said only
// where the answer is that it has.

import { ask } from "./api.js";
import { isolated } from "./text.js";
import { standing } from "./timeline.js";

// All are in UTC. Without the Z a fraction of a second sorts behind the whole one; a Date would cut
// the microseconds off.
const version = (event) => event.updated_at.replace("Z", "");

export class Record {
  history = new Map();
  held = new Map();
  #unnamed = new Set();
  #dropped = new Set();
  #asking = new Set();
  #unanswered = new Set();
  #hasBegun = false;

  // `now` is the server's clock; `changed` is called when an answer has come in between.
  constructor({ now, announce, changed }) {
    this.now = now;
    this.announce = announce;
    this.changed = changed;
  }

  // Whether it is known what is held: a question about it without an answer says no.
  get isSure() {
    return this.#unanswered.size === 0;
  }

  // Whether an answer is yet to come about what is held.
  get isAsking() {
    return this.#asking.size > 0;
  }

  remember(event) {
    const known = this.history.get(event.id);
    if (known && known.status !== "active" && event.status === "active") return;
    if (known && version(known) > version(event)) return;
    this.history.set(event.id, event);
  }

  take(message) {
    message.held.forEach((event) => this.remember(event));
    for (const id of message.ids) this.#settle(id);
    const before = this.held;
    this.held = new Map();
    for (const id of [...message.ids, ...this.#unnamed]) {
      if (this.#isActive(id)) this.held.set(id, this.history.get(id));
    }
    for (const id of before.keys()) if (!this.held.has(id)) this.#drop(id);
    for (const event of this.held.values()) {
      if (this.#hasBegun && !before.has(event.id)) {
        this.announce(`${isolated(event.invoker)} now holds access to ${isolated(event.profile)}.`);
      }
    }
    this.#hasBegun = true;
    for (const id of [...this.#unnamed, ...this.#dropped]) this.#look(id);
  }

  // Take the answer to a request of this page; returns whether it grants access as far as is known.
  accept(event) {
    this.remember(event);
    const known = this.history.get(event.id);
    if (!this.#isActive(event.id)) {
      if (this.held.delete(event.id) || this.#dropped.has(event.id)) {
        this.announce(`Access of ${isolated(known.invoker)} to ${isolated(known.profile)} is closed.`);
      }
      this.#settle(event.id);
    } else if (this.held.has(event.id)) {
      this.held.set(event.id, known);
    } else if (!this.#dropped.has(event.id)) {
      this.#unnamed.add(event.id);
      this.held.set(event.id, known);
      this.announce(`You now hold access to ${isolated(known.profile)}.`);
    }
    return this.held.has(event.id);
  }

  // Take a refusal that says no more than that it has ended.
  end(event) {
    if (this.held.has(event.id)) this.#drop(event.id);
    this.#look(event.id);
  }

  #drop(id) {
    this.held.delete(id);
    this.#settle(id);
    this.#dropped.add(id);
  }

  #settle(id) {
    for (const ids of [this.#unnamed, this.#dropped, this.#unanswered]) ids.delete(id);
  }

  #forget(id) {
    this.held.delete(id);
    this.history.delete(id);
    this.#settle(id);
    this.#asking.delete(id);
    this.changed();
  }

  #isActive(id) {
    const event = this.history.get(id);
    return event !== undefined && standing(event, this.now()) === "active";
  }

  async #look(id) {
    if (this.#asking.has(id)) return;
    this.#asking.add(id);
    const event = this.history.get(id);
    try {
      this.remember(await ask(`/api/events/${id}`));
      this.#unanswered.delete(id);
    } catch (error) {
      // The stream counts the rows that cannot be read. Whether this one has ended nobody can say.
      if (error.name === "corrupt-event") return this.#forget(id);
      if (error.status === 404) this.history.delete(id);
      else if (this.#unnamed.has(id) || this.#dropped.has(id)) this.#unanswered.add(id);
    } finally {
      this.#asking.delete(id);
    }
    if (!this.#isActive(id)) {
      if (this.held.delete(id) || this.#dropped.has(id)) {
        this.announce(`Access of ${isolated(event.invoker)} to ${isolated(event.profile)} has ended.`);
      }
      this.#settle(id);
    } else if (this.#dropped.has(id) && !this.#unanswered.has(id)) {
      this.#dropped.delete(id);
      this.#unnamed.add(id);
      this.held.set(id, this.history.get(id));
    }
    this.changed();
  }
}
