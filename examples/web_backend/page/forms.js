// Sends a form, and shows in it why the server refused it.

import { Refusal } from "./api.js";
import { instant, time } from "./clock.js";
import { isolated } from "./text.js";

export async function attempt(form, action) {
  const button = form.querySelector(".primary");
  button.disabled = true;
  refuse(form, null);
  try {
    await action();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    refuse(form, error);
  } finally {
    button.disabled = false;
  }
}

export function refuse(form, error) {
  const place = form.querySelector(".refusal");
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  for (const message of form.querySelectorAll(".field .error")) message.textContent = "";
  if (error === null) {
    place.replaceChildren();
    return;
  }
  const title = document.createElement("strong");
  title.textContent = error.problem.title;
  const detail = document.createElement("p");
  detail.textContent = explained(error);
  place.replaceChildren(title, detail);
  for (const { pointer, detail: rule } of error.problem.errors ?? []) {
    const field = form.elements.namedItem((pointer ?? "").slice(2));
    if (!field) continue;
    field.setAttribute("aria-invalid", "true");
    const message = document.getElementById(`${field.id}-error`);
    if (message) message.textContent = rule;
    field.focus();
  }
}

function explained(error) {
  if (error.name === "active-event-exists") {
    const { profile, expires_at: until } = error.problem.event;
    return `You hold access to ${isolated(profile)} until ${time.format(Date.parse(until))}. Use it, or close it first.`;
  }
  if (error.name === "limit-exceeded" && error.problem.retry_at) {
    return `${error.problem.detail} Try again at ${instant.format(Date.parse(error.problem.retry_at))}.`;
  }
  if (error.name === "event-held") return `${isolated(error.problem.event.held_by)} holds it already.`;
  if (error.status !== 401 && error.outcomeUnknown) {
    return `${error.problem.detail} The request may have succeeded. You can safely send it again.`;
  }
  return error.problem.detail;
}
