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
