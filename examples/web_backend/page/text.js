// Other people's text, inside our sentences and beside them.

// These characters reorder the text after them, and can end an isolate that they did not begin.
const CONTROLS = /[\u202a-\u202e\u2066-\u2069]/g;
const ASCII = /^[\x00-\x7f]*$/;

// The text in its stored order: a visible mark replaces each character that would reorder it.
export function shown(text) {
  return text.replace(CONTROLS, "\ufffd");
}

// The same for use in a sentence: right-to-left text does not reorder the sentence.
export function isolated(text) {
  return ASCII.test(text) ? text : `\u2068${shown(text)}\u2069`;
}

export function accessOf({ invoker, profile }) {
  return `${isolated(invoker)}'s access to ${isolated(profile)}`;
}

// What else was recorded when access was opened.
export function facts({ labels, request_id: request, mfa_verified: isVerified, mfa_method: method }) {
  return [
    ...Object.entries(labels).map(([name, value]) => `${shown(name)}: ${isolated(value)}`),
    ...(request ? [`request: ${isolated(request)}`] : []),
    ...(isVerified ? [`second factor: ${method ? isolated(method) : "yes"}`] : []),
  ].join(" · ");
}
