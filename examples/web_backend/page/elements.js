// The elements that index.html names.

export const $ = (id) => document.getElementById(id);
