// What this page knows about the events. It has two sources, and both may be late: the stream, which
// comes from lists that lag behind, and the answers to the page's own requests.
//
// An older version never replaces a newer one, and an ended event never becomes active again. The
// page shows the events that the latest message of the stream names. If it does not name an event
// that the page knows, the page asks for that event with a strongly consistent read, again with each
// message, until both agree. Until then an event that was opened here, perhaps through another
// replica, is shown; an event that the stream named before is not. The page says that access has
// ended only after an answer says so.

import { ask } from "./api.js";
import { isolated } from "./text.js";
import { standing } from "./timeline.js";

// All times are in UTC. Without the Z, a fraction of a second sorts after the whole second. A Date
// would drop the microseconds.
const version = (event) => event.updated_at.replace("Z", "");

export class Record {
  history = new Map();
  held = new Map();
  #unnamed = new Set();
  #dropped = new Set();
  #asking = new Set();
  #unanswered = new Set();
  #hasBegun = false;

  // `now` is the server's clock. `changed` is called after each answer about an event.
  constructor({ now, announce, changed }) {
    this.now = now;
    this.announce = announce;
    this.changed = changed;
  }

  // Whether the page knows who holds access: no question about an event has failed.
  get isSure() {
    return this.#unanswered.size === 0;
  }

  // Whether a question about an event is still open.
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
    for (const id of [...this.#unnamed, ...this.#dropped]) this.look(id);
  }

  // Take the event from an answer, and return whether it grants access as far as the page knows.
  accept(event) {
    this.remember(event);
    const known = this.history.get(event.id);
    if (!this.#isActive(event.id)) {
      if (this.held.delete(event.id) || this.#dropped.has(event.id)) {
        this.announce(`${isolated(known.invoker)}'s access to ${isolated(known.profile)} is closed.`);
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

  // Take a refusal that says only that the event has ended.
  end(event) {
    if (this.held.has(event.id)) this.#drop(event.id);
    this.look(event.id);
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

  // Ask for an event by its id, and show it as it is.
  async look(id) {
    if (this.#asking.has(id)) return;
    this.#asking.add(id);
    const event = this.history.get(id);
    try {
      this.remember(await ask(`/api/events/${id}`));
      this.#unanswered.delete(id);
    } catch (error) {
      // The stream counts corrupt rows. The page cannot know whether this event has ended.
      if (error.name === "corrupt-event") return this.#forget(id);
      if (error.status === 404) this.history.delete(id);
      else if (this.#unnamed.has(id) || this.#dropped.has(id)) this.#unanswered.add(id);
    } finally {
      this.#asking.delete(id);
    }
    if (!this.#isActive(id)) {
      if (this.held.delete(id) || this.#dropped.has(id)) {
        this.announce(`${isolated(event.invoker)} no longer holds access to ${isolated(event.profile)}.`);
      }
      this.#settle(id);
    } else if (this.held.has(id)) {
      this.held.set(id, this.history.get(id));
    } else if (this.#dropped.has(id) && !this.#unanswered.has(id)) {
      this.#dropped.delete(id);
      this.#unnamed.add(id);
      this.held.set(id, this.history.get(id));
    }
    this.changed();
  }
}
