// The dialog that extends one's own access, up to what is left of the longest time.

import { ask, Refusal } from "./api.js";
import { Asking } from "./asking.js";
import { length, time } from "./clock.js";
import { $ } from "./elements.js";
import { leadBackTo } from "./focus.js";
import { accessOf, isolated } from "./text.js";

const STEPS = [15, 30, 60, 120].map((minutes) => minutes * 60_000);

export class Extending {
  #asking;
  #asked = 0;

  constructor({ haveChanged, ...takers }) {
    this.#asking = new Asking("extending", {
      ...takers,
      haveChanged: (id) => {
        haveChanged(id);
        return this.#read(id);
      },
    });
    leadBackTo($("now-title"), $("extending"));
  }

  askFor(event) {
    this.#say(event);
    this.#offer([], "");
    this.#asking.askFor(event, "extend", {
      said: (extended) => `${accessOf(extended)} now lasts until ${time.format(Date.parse(extended.expires_at))}.`,
    });
    return this.#read(event.id);
  }

  // Another page may have extended or closed it since.
  async #read(id) {
    const asked = ++this.#asked;
    try {
      const event = await ask(`/api/events/${id}`);
      const possible = await ask(`/api/events/${id}/extension`);
      if (asked !== this.#asked) return;
      this.#say(event);
      this.#offer(ends(event, possible), left(event, possible));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (asked !== this.#asked) return;
      this.#offer([], "");
      this.#asking.refuse(error);
    }
  }

  #say(event) {
    $("extending-what").textContent = `You hold access to ${isolated(event.profile)} until ${time.format(Date.parse(event.expires_at))}.`;
  }

  #offer(options, text) {
    $("extending-left").textContent = text;
    const chosen = $("expires_at").value;
    const wereHidden = $("expires_at").options.length === 0;
    $("expires_at").replaceChildren(...options);
    if (options.some((option) => option.value === chosen)) $("expires_at").value = chosen;
    for (const part of document.querySelectorAll("#extend .field, #extend .primary")) part.hidden = options.length === 0;
    if (options.length && wereHidden && this.#asking.isOpen) $("expires_at").focus();
  }
}

function ends(event, { latest, extensions_left: extensions }) {
  const end = Date.parse(event.expires_at);
  const last = Date.parse(latest);
  if (extensions === 0 || last <= end) return [];
  const options = STEPS.filter((step) => end + step < last).map((step) => new Option(
    `${length(step)}, until ${time.format(end + step)}`, new Date(end + step).toISOString(),
  ));
  // A Date would drop the microseconds of the latest end.
  return [...options, new Option(`${length(last - end)}, until ${time.format(last)}, the longest`, latest)];
}

function left(event, { latest, extensions_left: extensions }) {
  const more = Date.parse(latest) - Date.parse(event.expires_at);
  if (extensions === 0) return "It was extended as often as the rules allow. Close it, and open new access.";
  if (more <= 0) return "It lasts as long as the rules allow. Close it, and open new access.";
  const times = { null: "", 1: " You can extend it once more." }[extensions] ?? ` You can extend it ${extensions} times more.`;
  return `At most ${length(more)} more, until ${time.format(Date.parse(latest))}.${times}`;
}
