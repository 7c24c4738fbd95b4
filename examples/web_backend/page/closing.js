// The dialog that closes access.

import { ask } from "./api.js";
import { time } from "./clock.js";
import { $ } from "./elements.js";
import { attempt, refuse } from "./forms.js";
import { isolated } from "./text.js";

export class Closing {
  #event = null;
  // What was to be closed last without a clear answer.
  #unclear = null;
  #accept;
  #haveEnded;

  // `accept` takes an event as it was answered, `haveEnded` one of which it is known only that it
  // has ended.
  constructor({ accept, haveEnded }) {
    this.#accept = accept;
    this.#haveEnded = haveEnded;
    $("keep").addEventListener("click", () => $("closing").close());
    $("close").addEventListener("submit", (submission) => {
      submission.preventDefault();
      return this.#send(submission.target);
    });
  }

  askFor(event) {
    this.#event = event;
    $("close").reset();
    refuse($("close"), null);
    $("closing-what").textContent = `${isolated(event.invoker)} holds access to ${isolated(event.profile)} until ${time.format(Date.parse(event.expires_at))}.`;
    $("closing").showModal();
  }

  async #send(form) {
    const body = { reason: $("close-reason").value };
    const event = this.#event;
    await attempt(form, async () => {
      try {
        this.#accept(await ask(`/api/events/${event.id}/close`, { method: "POST", body }));
      } catch (error) {
        if (error.outcomeUnknown) this.#unclear = event.id;
        if (error.name !== "invalid-state-transition") throw error;
        this.#haveEnded(event);
        // A repetition that finds it closed is what was asked for.
        if (this.#unclear !== event.id || error.problem.current_status !== "closed") throw error;
      }
      this.#unclear = null;
      if (this.#event === event) $("closing").close();
    });
  }
}
