// Other people's text, within sentences of ours and beside them.

// They reorder what follows until they are closed, and close what they did not open.
const CONTROLS = /[\u202a-\u202e\u2066-\u2069]/g;
const ASCII = /^[\x00-\x7f]*$/;

// The text in the order in which it is stored: what would show it in another is shown itself.
export function shown(text) {
  return text.replace(CONTROLS, "\ufffd");
}

// The same for a place within a sentence, whose order it leaves alone, whatever way it is read.
export function isolated(text) {
  return ASCII.test(text) ? text : `\u2068${shown(text)}\u2069`;
}
