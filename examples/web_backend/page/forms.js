// Sends a form, and shows in it why the server refused it.

import { Refusal } from "./api.js";
import { fromMinute, time } from "./clock.js";
import { isolated } from "./text.js";

const ENDED = { closed: "It is closed already.", expired: "It has expired." };

export async function attempt(form, action) {
  const button = form.querySelector(".primary");
  if (button.ariaDisabled === "true") return;
  // A button that is really disabled loses the focus.
  button.ariaDisabled = "true";
  refuse(form, null);
  try {
    await action();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    refuse(form, error);
  } finally {
    button.ariaDisabled = null;
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
  for (const { pointer, parameter, detail: rule } of error.problem.errors ?? []) {
    const field = form.elements.namedItem(parameter ?? (pointer ?? "").slice(2));
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
    return `You hold access to ${isolated(profile)} until ${time.format(Date.parse(until))}. Use it, or extend it.`;
  }
  if (error.name === "limit-exceeded" && error.problem.retry_at) {
    return `${error.problem.detail} Try again at ${fromMinute(error.problem.retry_at)}.`;
  }
  if (error.name === "event-held") {
    const { held_by: by, held_reason: why } = error.problem.event;
    return `${isolated(by)} holds it: ${isolated(why)}`;
  }
  if (error.name === "review-refused" && error.problem.event.review_outcome) {
    const { reviewed_by: by, review_outcome: outcome, review_comment: comment } = error.problem.event;
    return `${isolated(by)} has decided that it was ${outcome}: ${isolated(comment)}`;
  }
  if (error.name === "concurrent-modification" && error.problem.current?.review_comment) {
    const { reviewed_by: by, review_comment: comment } = error.problem.current;
    return `${isolated(by)} has asked meanwhile: ${isolated(comment)}`;
  }
  if (error.name === "invalid-state-transition" && ENDED[error.problem.current_status]) {
    return ENDED[error.problem.current_status];
  }
  if (error.status !== 401 && error.outcomeUnknown) {
    return `${error.problem.detail} The request may have succeeded. You can safely send it again.`;
  }
  return error.problem.detail;
}
