// The form that asks who held access at an instant of the past.

import { ask } from "./api.js";
import { instant } from "./clock.js";
import { $ } from "./elements.js";
import { attempt } from "./forms.js";
import { accessOf, isolated } from "./text.js";
import { ending } from "./timeline.js";

export class Past {
  #now;
  #record;
  #askForRecord;

  constructor({ record, now, askForRecord }) {
    this.#record = record;
    this.#now = now;
    this.#askForRecord = askForRecord;
    $("look-back").addEventListener("submit", (submission) => {
      submission.preventDefault();
      return this.#send(submission.target);
    });
  }

  async #send(form) {
    $("then").replaceChildren();
    $("then-text").textContent = "";
    const fields = Object.fromEntries([...new FormData(form)].filter(([, value]) => value));
    // The field has the local time without its zone.
    const at = new Date(fields.at);
    await attempt(form, async () => {
      const parameters = { ...fields, at: at.toISOString() };
      const { events } = await ask("/api/holders", { parameters });
      events.forEach((event) => this.#record.remember(event));
      $("then-text").textContent = `${answer(events, fields)} on ${instant.format(at)}.`;
      $("then").replaceChildren(...events.map((event) => this.#item(event)));
    });
  }

  #item(event) {
    const item = document.createElement("li");
    const text = document.createElement("p");
    text.textContent = `${isolated(event.profile)}: ${isolated(event.invoker)}, ${instant.format(Date.parse(event.created_at))} to ${instant.format(ending(event, this.#now()))}`;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Record";
    button.setAttribute("aria-label", `Record of ${accessOf(event)}`);
    button.addEventListener("click", () => this.#askForRecord(event.id));
    item.append(text, button);
    return item;
  }
}

// Who held access, in words that name what was asked for.
function answer(events, { invoker, profile }) {
  const people = new Set(events.map((event) => event.invoker)).size;
  const to = profile ? ` to ${isolated(profile)}` : "";
  if (invoker) return `${isolated(invoker)} ${people ? "held" : "did not hold"} access${to}`;
  const who = { 0: "Nobody", 1: "1 person" }[people] ?? `${people} people`;
  return `${who} held access${to}`;
}
