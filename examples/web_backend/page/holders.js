// The list of people who hold access now, one card each.

import { now, time } from "./clock.js";
import { $ } from "./elements.js";
import { removeFrom } from "./focus.js";
import { accessOf, facts, shown } from "./text.js";

const SOON = 5 * 60_000;

// `me` is the signed-in person. A card's buttons call `close`, `extend` and `show` with its event.
export function showHolders(record, me, acts) {
  const events = [...record.held.values()]
    .filter((event) => Date.parse(event.expires_at) > now())
    .sort((one, other) => Date.parse(other.created_at) - Date.parse(one.created_at));
  const shown = new Map([...$("held").children].map((item) => [item.dataset.id, item]));
  for (const [id, item] of shown) {
    if (!events.some((event) => event.id === id)) removeFrom($("now-title"), item);
  }
  events.forEach((event, index) => {
    const item = shown.get(event.id) ?? newItem(event.id, acts, record);
    fill(item, event, me);
    const there = $("held").children[index] ?? null;
    if (there !== item) $("held").insertBefore(item, there);
  });
  $("held").ariaBusy = record.isAsking;
  $("count").hidden = events.length === 0;
  $("count").textContent = events.length;
}

// Rows that cannot be read have no cards, but may grant access.
export function showUnreadable(number) {
  const rows = number === 1 ? "1 row" : `${number} rows`;
  const text = `${rows} of the record cannot be read, so more people may hold access. Call the operators.`;
  if ($("unreadable").textContent !== text) $("unreadable").textContent = text;
  $("unreadable").hidden = number === 0;
}

// Say that nobody holds access only if that is known.
export function showNobody({ hasRead, isKnown }) {
  const text = isKnown ? "Nobody holds emergency access." : "Nobody is known to hold access.";
  if ($("nobody").textContent !== text) $("nobody").textContent = text;
  $("nobody").hidden = $("held").children.length > 0 || !hasRead;
}

function newItem(id, { close, extend, show }, record) {
  const item = $("holder").content.firstElementChild.cloneNode(true);
  item.dataset.id = id;
  for (const [name, act] of [[".end", close], [".extend", extend], [".show", show]]) {
    item.querySelector(name).addEventListener("click", () => act(record.held.get(id)));
  }
  return item;
}

function fill(item, event, me) {
  const put = (name, text) => {
    const element = item.querySelector(name);
    if (element.textContent !== text) element.textContent = text;
  };
  const left = Date.parse(event.expires_at) - now();
  put(".profile", shown(event.profile));
  put(".invoker", shown(event.invoker));
  put(".reason", event.reason_code);
  put(".why", shown(event.justification));
  put(".facts", facts(event));
  put(".countdown", countdown(left));
  put(".until", `left, until ${time.format(Date.parse(event.expires_at))}`);
  item.classList.toggle("soon", left < SOON);
  item.querySelector(".you").hidden = event.invoker !== me.name;
  const end = item.querySelector(".end");
  end.hidden = event.invoker !== me.name && !me.is_reviewer;
  const whose = accessOf(event);
  end.setAttribute("aria-label", `Close ${whose}`);
  item.querySelector(".show").setAttribute("aria-label", `Record of ${whose}`);
  const extend = item.querySelector(".extend");
  extend.hidden = event.invoker !== me.name || !me.profiles.includes(event.profile);
  extend.setAttribute("aria-label", `Extend ${whose}`);
  item.querySelector(".held").hidden = event.held_by === null;
  const bar = item.querySelector("progress");
  bar.max = Date.parse(event.expires_at) - Date.parse(event.created_at);
  bar.value = Math.max(0, left);
}

function countdown(left) {
  const total = Math.max(0, Math.ceil(left / 1000));
  const parts = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  if (parts[0] === 0) parts.shift();
  return parts.map((part, index) => (index ? String(part).padStart(2, "0") : part)).join(":");
}
