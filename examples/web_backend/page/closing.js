// The dialog that closes access.

import { ask } from "./api.js";
import { time } from "./clock.js";
import { $ } from "./elements.js";
import { leadBackTo } from "./focus.js";
import { attempt, refuse } from "./forms.js";
import { isolated } from "./text.js";

export class Closing {
  #event = null;
  // The id of the last event whose close got no clear answer.
  #unclear = null;
  #accept;
  #haveEnded;

  // `accept` takes the event from an answer. `haveEnded` takes an event that has ended in a way
  // that the page does not know.
  constructor({ accept, haveEnded }) {
    this.#accept = accept;
    this.#haveEnded = haveEnded;
    leadBackTo($("now-title"), $("closing"));
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
        // If a repeated close finds the event closed, it has succeeded.
        if (this.#unclear !== event.id || error.problem.current_status !== "closed") throw error;
      }
      this.#unclear = null;
      if (this.#event === event) $("closing").close();
    });
  }
}
