// The rules for opening access, which the form shows before they refuse somebody, and the fields for
// what they require.

import { ask } from "./api.js";
import { fromMinute } from "./clock.js";
import { $ } from "./elements.js";

// How the name of a field for a label begins.
export const LABEL = "label:";

export class Rules {
  #known = [];
  #asked = 0;

  constructor() {
    for (const id of ["profile", "reason_code", "duration", "required"]) {
      $(id).addEventListener("change", () => this.ask());
    }
  }

  // Ask which rules the form would meet. The store alone decides, so nothing here prevents sending.
  async ask() {
    const asked = ++this.#asked;
    if (!$("profile").value) return this.#show([]);
    try {
      const { rules } = await ask("/api/limits", { parameters: parameters() });
      if (asked === this.#asked) this.#show(rules);
    } catch (error) {
      if (asked !== this.#asked) return;
      this.#list([]);
      for (const { input } of fields()) input.required = false;
      $("rules-problem").textContent = `The rules cannot be read: ${error.message}`;
    }
  }

  // The rule with this name, as the form shows it, or null.
  inWords(limit) {
    return this.#known.find((rule) => rule.limit === limit)?.rule ?? null;
  }

  #show(rules) {
    this.#list(rules.filter((rule) => required(rule).length === 0));
    this.#known = rules;
    offer(rules.flatMap(required));
    $("rules-problem").textContent = "";
  }

  #list(rules) {
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
  }
}

// What the form asks for because of a rule, each as the name of its field and its label.
function required({ limit, labels }) {
  if (limit === "require_request_id") return [["request_id", "Request id"]];
  return labels.map((name) => [LABEL + name, name]);
}

function fields() {
  return [...$("required").children].map((field) => ({ field, input: field.querySelector("input") }));
}

// Show a field for each thing that is required. A field that is there already keeps its text.
function offer(wanted) {
  for (const { field, input } of fields()) {
    input.required = true;
    if (!wanted.some(([name]) => name === input.name)) field.remove();
  }
  const there = fields().map(({ input }) => input.name);
  for (const [name, text] of wanted) if (!there.includes(name)) $("required").append(newField(name, text));
}

function newField(name, text) {
  const field = document.createElement("div");
  field.className = "field";
  const label = document.createElement("label");
  const input = document.createElement("input");
  label.textContent = text;
  label.htmlFor = input.id = `required-${name}`;
  Object.assign(input, { name, required: true, maxLength: 256, dir: "auto", autocomplete: "off" });
  field.append(label, input);
  return field;
}

function parameters() {
  const known = ["profile", "reason_code", "duration"].map((id) => [id, $(id).value]);
  const given = fields().map(({ input }) => [input.name, input.value]).filter(([, value]) => value);
  return [
    ...known,
    ...given.map(([name, value]) => (name.startsWith(LABEL)
      ? ["label", `${name.slice(LABEL.length)}:${value}`]
      : [name, value])),
  ];
}

function standing({ used, allowed, is_reached: isReached }) {
  if (allowed === null) return isReached ? "This request breaks it." : "";
  return isReached ? `Used up: ${used} of ${allowed}.` : `Used: ${used} of ${allowed}.`;
}

function retry({ retry_at: at }) {
  return at === null ? "" : `Try again at ${fromMinute(at)}.`;
}
