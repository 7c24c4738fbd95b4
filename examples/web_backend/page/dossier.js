// The dialog with the record of one event: its history, its review, and its legal hold.

import { ask, Refusal } from "./api.js";
import { Asking } from "./asking.js";
import { instantWithSeconds, time } from "./clock.js";
import { $ } from "./elements.js";
import { accessOf, facts, isolated, shown } from "./text.js";

const ACTIONS = {
  created: () => "opened",
  imported: () => "imported",
  adopted: () => "taken over as it was found",
  updated: (event) => `changed, until ${until(event)}`,
  extended: (event) => `extended until ${until(event)}`,
  closed: () => "closed",
  expired: () => "expired",
  reviewed: (event) => `reviewed: ${event.review_outcome.replaceAll("_", " ")}`,
  held: () => "put under a legal hold",
  released: () => "released from the hold",
  deleted: () => "deleted",
};

export class Dossier {
  #me = null;
  #event = null;
  #id = null;
  #record;
  #asking;
  #reads = 0;

  constructor({ record, accept, haveChanged, announce }) {
    this.#record = record;
    this.#asking = new Asking("holding", {
      accept: (event) => {
        accept(event);
        return this.open(event.id);
      },
      haveChanged: (id) => {
        haveChanged(id);
        return this.open(id);
      },
      announce,
    });
    $("dossier-leave").addEventListener("click", () => $("dossier").close());
    $("hold-or-release").addEventListener("click", () => this.#askForHold());
  }

  start(me) {
    this.#me = me;
  }

  async open(id) {
    const read = ++this.#reads;
    this.#id = id;
    this.#event = this.#record.history.get(id) ?? null;
    this.#show({ entries: null, findings: [] });
    if (!$("dossier").open) $("dossier").showModal();
    try {
      const history = await ask(`/api/events/${id}/history`);
      if (read !== this.#reads) return;
      this.#event = history.entries.at(-1)?.event ?? this.#event;
      if (history.entries.at(-1)?.action === "deleted") this.#event = null;
      // An event that is not as its history says stays as it is.
      if (this.#event && history.findings.length === 0) this.#record.remember(this.#event);
      this.#show(history);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (read === this.#reads) $("dossier-verdict").textContent = `The history cannot be read: ${error.message}`;
    }
  }

  #show({ entries, findings }) {
    const event = this.#event;
    $("dossier-what").textContent = event ? `${isolated(event.invoker)}, ${isolated(event.profile)}, ${event.reason_code}` : "";
    $("dossier-why").textContent = event ? shown(event.justification) : "";
    $("dossier-facts").textContent = event ? facts(event) : "";
    $("dossier-hold").textContent = event?.held_by ? `Legal hold by ${isolated(event.held_by)}: ${isolated(event.held_reason)}` : "";
    $("entries").replaceChildren(...(entries ?? []).map(entryItem));
    $("findings").replaceChildren(...findings.map(findingItem));
    $("dossier-verdict").textContent = verdict(entries, findings);
    const button = $("hold-or-release");
    button.hidden = !this.#me.is_reviewer || !event;
    button.textContent = event?.held_by ? "Release the hold" : "Hold";
  }

  #askForHold() {
    const event = this.#event;
    const isHeld = event.held_by !== null;
    $("holding-title").textContent = isHeld ? "Release the hold" : "Put under a legal hold";
    $("holding-what").textContent = isHeld
      ? `${isolated(event.held_by)} holds it. After the release its retention can end, and it can be deleted.`
      : "While it is held, nobody can delete it, and no retention ends it or its history.";
    $("holding-submit").textContent = isHeld ? "Release the hold" : "Hold";
    if (isHeld) {
      this.#asking.askFor(event, "release", {
        known: { held_at: event.held_at },
        refusalOfRepeat: "event-not-held",
        said: () => `${accessOf(event)} is released from its hold.`,
      });
    } else {
      this.#asking.askFor(event, "hold", { said: () => `${accessOf(event)} is under a legal hold.` });
    }
  }
}

function until(event) {
  return time.format(Date.parse(event.expires_at));
}

function verdict(entries, findings) {
  if (entries === null) return "Reading the history …";
  const severities = findings.map(({ severity }) => severity);
  if (severities.includes("error")) return "This history is not as it was written:";
  if (severities.includes("warning")) return "Somebody should look into this history:";
  if (severities.length) return "The history is whole, as far as it is still kept:";
  return "The history is whole: each entry has the hash of the one before.";
}

function entryItem({ at, action, by, note, event, hash }) {
  const item = document.createElement("li");
  const line = document.createElement("p");
  const who = by === null ? "" : ` by ${isolated(by)}`;
  line.textContent = `${instantWithSeconds.format(Date.parse(at))}: ${ACTIONS[action](event)}${who}`;
  const words = document.createElement("p");
  words.className = "why";
  words.textContent = note === null ? "" : shown(note);
  const seal = document.createElement("code");
  seal.textContent = hash;
  item.append(line, words, seal);
  return item;
}

function findingItem({ severity, kind, found, expected, fix }) {
  const item = document.createElement("li");
  if (severity !== "info") item.className = "error";
  item.textContent = `${severity}: ${kind}: found ${isolated(found)}; expected ${isolated(expected)}; ${fix}`;
  return item;
}
