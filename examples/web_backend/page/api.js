// Sends requests. A request that is refused or gets no answer throws a Refusal.

// In seconds, unless the server says otherwise.
export const TRY_AGAIN = 5;

export class Refusal extends Error {
  constructor(problem, status, retryAfter = null) {
    super(problem.detail);
    this.problem = problem;
    this.status = status;
    // In seconds; null unless the server sends it.
    this.retryAfter = retryAfter;
  }

  get name() {
    return (this.problem.type ?? "").split(":").at(-1);
  }

  // Whether a change may have happened. Without an answer it may, unless the server says no.
  get outcomeUnknown() {
    return this.problem.outcome_unknown ?? (this.status === 0 || this.status >= 500);
  }
}

const SILENCE = {
  title: "No answer",
  detail: "The server cannot be reached or did not answer in time.",
};

export async function ask(path, { method = "GET", body, parameters } = {}) {
  const query = parameters ? `?${new URLSearchParams(parameters)}` : "";
  const options = { method, signal: AbortSignal.timeout(20_000) };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "Content-Type": "application/json" };
  }
  let response, content;
  try {
    response = await fetch(path + query, options);
    content = response.status === 204 ? null : await response.json();
  } catch {
    throw new Refusal(SILENCE, 0);
  }
  if (!response.ok) throw refusal(response, content);
  return content;
}

function refusal(response, content) {
  const retryAfter = Number(response.headers.get("Retry-After")) || null;
  return new Refusal(content, response.status, retryAfter);
}

// Why the server refuses a stream, or null if it does not. An EventSource does not say why.
export async function refusalOf(path) {
  const probe = new AbortController();
  try {
    const signal = AbortSignal.any([probe.signal, AbortSignal.timeout(20_000)]);
    const response = await fetch(path, { signal });
    return response.ok ? null : refusal(response, await response.json());
  } catch {
    return new Refusal(SILENCE, 0);
  } finally {
    probe.abort();
  }
}

export function newEventId() {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
