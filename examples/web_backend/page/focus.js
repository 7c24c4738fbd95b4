// Keeps the keyboard's focus on the page when the element that has it goes away.

// Remove an element. If the focus is within it, the focus moves to `place`.
export function removeFrom(place, element) {
  const hadFocus = element.contains(document.activeElement);
  element.remove();
  if (hadFocus) place.focus();
}

// After a dialog closes, the browser gives the focus back to the element that opened the dialog. If
// that element has gone, the closed dialog keeps the focus for a moment, and then it is lost. So it
// moves to `place`.
export function leadBackTo(place, dialog) {
  dialog.addEventListener("close", () => {
    const focused = document.activeElement;
    if (focused === document.body || dialog.contains(focused)) place.focus();
  });
}
