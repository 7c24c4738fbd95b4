// The form that opens access.

import { ask, newEventId, Refusal } from "./api.js";
import { $ } from "./elements.js";
import { attempt, refuse } from "./forms.js";
import { LABEL } from "./rules.js";

const ENDED_SINCE = {
  title: "Access has ended",
  detail: "Access was opened but has already ended. Send the form again to open new access.",
};

export class Opening {
  // The last request that got no clear answer. The page sends it again with the same id, so that the
  // server recognises it. After a change in the form, the next request is a new one.
  #unanswered = null;
  #accept;
  #rules;

  // `accept` takes the event from an answer, and returns whether it grants access. `rules` are what the
  // form shows of the rules of the door.
  constructor(accept, rules) {
    this.#accept = accept;
    this.#rules = rules;
    $("open").addEventListener("input", () => { this.#unanswered = null; });
    $("open").addEventListener("submit", (submission) => {
      submission.preventDefault();
      return this.#send(submission.target);
    });
  }

  // No profile is preselected, because people in a hurry would open that one.
  offer(profiles) {
    $("profile").replaceChildren(
      new Option("Choose …", ""), ...profiles.map((name) => new Option(name, name)),
    );
  }

  // If the answer to the request was lost, the stream shows later that access was opened.
  look(held) {
    const opened = this.#unanswered && held.get(this.#unanswered.id);
    if (opened) this.#haveOpened(opened);
  }

  async #send(form) {
    const opening = this.#unanswered ?? { id: newEventId(), ...requested(form) };
    await attempt(form, async () => {
      try {
        this.#haveOpened(await ask("/api/events", { method: "POST", body: opening }));
      } catch (error) {
        this.#unanswered = error.outcomeUnknown ? opening : null;
        if (error.name === "limit-exceeded") {
          await this.#rules.ask();
          error.problem.detail = this.#rules.inWords(error.problem.limit) ?? error.problem.detail;
        }
        throw error;
      }
    });
  }

  #haveOpened(event) {
    this.#unanswered = null;
    if (!this.#accept(event)) throw new Refusal(ENDED_SINCE, 200);
    $("open").reset();
    refuse($("open"), null);
    this.#rules.ask();
  }
}

// The body of a request. The form has a field for each label that a rule requires.
function requested(form) {
  const fields = [...new FormData(form)].filter(([, value]) => value !== "");
  const isLabel = ([name]) => name.startsWith(LABEL);
  const labels = fields.filter(isLabel).map(([name, value]) => [name.slice(LABEL.length), value]);
  return {
    ...Object.fromEntries(fields.filter((field) => !isLabel(field))),
    labels: Object.fromEntries(labels),
  };
}
