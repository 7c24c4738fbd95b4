// The rules for opening access, which the form shows before they refuse somebody.

import { ask } from "./api.js";
import { instant } from "./clock.js";
import { $ } from "./elements.js";

export class Rules {
  #known = [];
  #asked = 0;

  constructor() {
    for (const id of ["profile", "reason_code", "duration"]) {
      $(id).addEventListener("change", () => this.ask());
    }
  }

  // Ask which rules the form would meet. The store alone decides, so nothing here prevents sending.
  async ask() {
    const asked = ++this.#asked;
    const [profile, reason_code, duration] = ["profile", "reason_code", "duration"].map((id) => $(id).value);
    if (!profile) return this.#show([]);
    try {
      const { rules } = await ask("/api/limits", { parameters: { profile, reason_code, duration } });
      if (asked === this.#asked) this.#show(rules);
    } catch (error) {
      if (asked === this.#asked) this.#show([], `The rules cannot be read: ${error.message}`);
    }
  }

  // The rule with this name, as the form shows it, or null.
  inWords(limit) {
    return this.#known.find((rule) => rule.limit === limit)?.rule ?? null;
  }

  #show(rules, problem = "") {
    this.#known = rules;
    const items = rules.map((rule) => {
      const item = document.createElement("li");
      item.classList.toggle("reached", rule.is_reached);
      item.textContent = [rule.rule, standing(rule), retry(rule)].filter(Boolean).join(" ");
      return item;
    });
    const before = [...$("rules").children].map((item) => item.textContent).join();
    // Screen readers announce each change of the list, so it changes only if it differs.
    if (before !== items.map((item) => item.textContent).join()) $("rules").replaceChildren(...items);
    $("rules").hidden = rules.length === 0;
    $("rules-problem").textContent = problem;
  }
}

function standing({ used, allowed, is_reached: isReached }) {
  if (allowed === null) return isReached ? "This request breaks it." : "";
  return isReached ? `Used up: ${used} of ${allowed}.` : `Used: ${used} of ${allowed}.`;
}

function retry({ retry_at: at }) {
  return at === null ? "" : `Try again at ${instant.format(Date.parse(at))}.`;
}
