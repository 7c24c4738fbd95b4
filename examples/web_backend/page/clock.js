// The server's time, because the server's clock ends access. This machine's clock may be wrong.

let offset = 0;

export const now = () => Date.now() + offset;

export function set(instant) {
  offset = Date.parse(instant) - Date.now();
}

export const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

export const timeWithSeconds = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit", minute: "2-digit", second: "2-digit",
});

export const instant = new Intl.DateTimeFormat(undefined, {
  day: "numeric", month: "short", hour: "2-digit", minute: "2-digit",
});

export const instantWithSeconds = new Intl.DateTimeFormat(undefined, {
  day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit",
});

// The first whole minute from an instant on, when it is no longer too early.
export function fromMinute(at) {
  return instant.format(Math.ceil(Date.parse(at) / 60_000) * 60_000);
}

// A time in words, from milliseconds; seconds do not count.
export function length(milliseconds) {
  const minutes = Math.floor(milliseconds / 60_000);
  const parts = [[Math.floor(minutes / 60), "hour"], [minutes % 60, "minute"]].filter(([number]) => number);
  const words = parts.map(([number, unit]) => `${number} ${unit}${number === 1 ? "" : "s"}`);
  return words.join(" ") || "less than a minute";
}
