// A dialog that asks a person for what a change needs, and sends it.

import { ask } from "./api.js";
import { $ } from "./elements.js";
import { attempt, refuse } from "./forms.js";

export class Asking {
  #dialog;
  #form;
  #accept;
  #haveChanged;
  #announce;
  #request = null;
  // The path of the last request that got no clear answer.
  #unclear = null;

  // `accept` takes the event from an answer. `haveChanged` takes the id of an event that may not be
  // as the page shows it. `announce` takes a text for screen readers.
  constructor(id, { accept, haveChanged, announce }) {
    this.#dialog = $(id);
    this.#form = this.#dialog.querySelector("form");
    this.#accept = accept;
    this.#haveChanged = haveChanged;
    this.#announce = announce;
    this.#form.querySelector(".cancel").addEventListener("click", () => this.#dialog.close());
    this.#form.addEventListener("submit", (submission) => {
      submission.preventDefault();
      return this.#send();
    });
  }

  get isOpen() {
    return this.#dialog.open;
  }

  // Ask for a change of an event: `action` is the end of its path, and `known` goes with the form.
  // `said` says in words what has happened to the event in the answer. A refusal with the name
  // `refusalOfRepeat` means that an earlier attempt without a clear answer has succeeded.
  askFor(event, action, { said, known = {}, refusalOfRepeat = null }) {
    const path = `/api/events/${event.id}`;
    this.#request = { id: event.id, event: path, path: `${path}/${action}`, known, said, refusalOfRepeat };
    this.#form.reset();
    refuse(this.#form, null);
    if (!this.isOpen) this.#dialog.showModal();
  }

  refuse(error) {
    refuse(this.#form, error);
  }

  async #send() {
    const request = this.#request;
    const body = { ...request.known, ...Object.fromEntries(new FormData(this.#form)) };
    await attempt(this.#form, async () => {
      let event;
      try {
        event = await ask(request.path, { method: "POST", body });
      } catch (error) {
        const wasUnclear = this.#unclear === request.path;
        if (error.outcomeUnknown) this.#unclear = request.path;
        if (!wasUnclear || error.name !== request.refusalOfRepeat) {
          if ([404, 409, 412, 422].includes(error.status)) this.#haveChanged(request.id);
          // The person has left this request, and the dialog may be about another one.
          if (this.#request !== request || !this.isOpen) return;
          throw error;
        }
        event = await ask(request.event);
      }
      this.#unclear = null;
      this.#accept(event);
      this.#announce(request.said(event));
      if (this.#request === request) this.#dialog.close();
    });
  }
}
