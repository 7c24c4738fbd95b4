// The form that opens access.

import { ask, newEventId, Refusal } from "./api.js";
import { $ } from "./elements.js";
import { attempt, refuse } from "./forms.js";

const ENDED_SINCE = {
  title: "It has ended",
  detail: "It was opened, and has ended since. Send it again to open it anew.",
};

export class Opening {
  // What was sent last, without a clear answer. Sent again as it was, with the id that it had, it is
  // recognised, so that nothing is opened twice; once anything is changed it is another request.
  #unanswered = null;
  #accept;

  // `accept` takes an event as it was answered, and returns whether it grants access.
  constructor(accept) {
    this.#accept = accept;
    $("open").addEventListener("input", () => { this.#unanswered = null; });
    $("open").addEventListener("submit", (submission) => {
      submission.preventDefault();
      return this.#send(submission.target);
    });
  }

  // Nothing is chosen beforehand: in a hurry that would be what is opened.
  offer(profiles) {
    $("profile").replaceChildren(
      new Option("Choose …", ""), ...profiles.map((name) => new Option(name, name)),
    );
  }

  // The answer to the request says so, or where that was lost, the stream does later.
  look(held) {
    const opened = this.#unanswered && held.get(this.#unanswered.id);
    if (opened) this.#haveOpened(opened);
  }

  async #send(form) {
    const fields = Object.fromEntries(new FormData(form));
    const opening = this.#unanswered ?? { id: newEventId(), ...fields };
    await attempt(form, async () => {
      try {
        this.#haveOpened(await ask("/api/events", { method: "POST", body: opening }));
      } catch (error) {
        this.#unanswered = error.outcomeUnknown ? opening : null;
        throw error;
      }
    });
  }

  #haveOpened(event) {
    this.#unanswered = null;
    if (!this.#accept(event)) throw new Refusal(ENDED_SINCE, 200);
    $("open").reset();
    refuse($("open"), null);
  }
}
