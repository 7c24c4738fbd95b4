// A chart of the last 30 days: one row for each profile, one bar for each event.

import { instant } from "./clock.js";
import { isolated, shown } from "./text.js";

export const DAYS = 30;
const DAY = 86_400_000;
const MARGIN = 2;
const LABEL = 22;
const LANE = 16;
const GAP = 12;
const NARROWEST = 6;

const dayFormat = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

function svg(name, attributes = {}, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

// A lapsed event has ended, even if its row still says active.
export function standing(event, now) {
  return event.status === "active" && Date.parse(event.expires_at) <= now ? "expired" : event.status;
}

// A review or a hold moves `updated_at`, but not the end.
export function ending(event, now) {
  return { active: now, closed: Date.parse(event.ended_at), expired: Date.parse(event.expires_at) }[
    standing(event, now)
  ];
}

function byBeginning(one, other) {
  return Date.parse(one.created_at) - Date.parse(other.created_at);
}

export function described(event, now) {
  const from = instant.format(Date.parse(event.created_at));
  const to = instant.format(ending(event, now));
  const who = isolated(event.invoker);
  const how = {
    active: `${who} since ${from}, open now`,
    closed: `${who} from ${from} to ${to}, closed by ${isolated(event.closed_by ?? "")}`,
    expired: `${who} from ${from} to ${to}, expired`,
  }[standing(event, now)];
  const why = `${event.reason_code}: ${isolated(event.justification)}`;
  const after = event.closed_reason ? ` — ${isolated(event.closed_reason)}` : "";
  const reviewed = event.review_outcome
    ? `. Reviewed by ${isolated(event.reviewed_by)}: ${event.review_outcome.replaceAll("_", " ")}`
    : "";
  const held = event.held_by ? `. Legal hold by ${isolated(event.held_by)}` : "";
  return `${isolated(event.profile)}: ${how}. ${why}${after}${reviewed}${held}`;
}

// Put bars that would touch below each other.
function inLanes(bars) {
  const ends = [];
  for (const bar of bars) {
    let lane = ends.findIndex((end) => end + 2 <= bar.x);
    if (lane < 0) lane = ends.length;
    ends[lane] = bar.x + bar.width;
    bar.lane = lane;
  }
  return Math.max(1, ends.length);
}

export function draw(container, events, now, tell) {
  const width = Math.max(240, container.clientWidth);
  const begin = now - DAYS * DAY;
  const place = (instant) =>
    MARGIN + ((Math.max(instant, begin) - begin) / (DAYS * DAY)) * (width - 2 * MARGIN);
  const rows = Map.groupBy(
    [...events].filter((event) => ending(event, now) > begin)
      .sort(byBeginning),
    (event) => event.profile,
  );
  const chosen = container.querySelector(":focus")?.dataset.id;
  const drawing = svg("svg", { role: "group", "aria-label": `Events of the last ${DAYS} days, by profile` });
  const grid = svg("g", { "aria-hidden": "true" });
  drawing.append(grid);
  let y = 0;
  const bars = [];
  for (const profile of [...rows.keys()].sort()) {
    const row = rows.get(profile).map((event) => {
      const width_ = Math.max(NARROWEST, place(ending(event, now)) - place(Date.parse(event.created_at)));
      return { event, width: width_, x: Math.min(place(Date.parse(event.created_at)), width - MARGIN - width_) };
    });
    const lanes = inLanes(row);
    const expired = row.filter(({ event }) => standing(event, now) === "expired").length;
    const group = svg("g", {
      role: "group",
      "aria-label": `${isolated(profile)}: opened ${times(row.length)}, expired ${times(expired)}`,
    });
    // A nested svg clips a label that is too wide, whatever the width of its letters.
    const label = svg("svg", { x: MARGIN, y, width: width - 90, height: LABEL });
    label.append(svg("text", { class: "profile", x: 0, y: 15 }, shortened(shown(profile), width)));
    group.append(label);
    const total = svg("text", { x: width - MARGIN, y: y + 15, "text-anchor": "end" }, times(row.length));
    group.append(total);
    group.append(svg("rect", { class: "lane", x: 0, y: y + LABEL, width, height: lanes * LANE, rx: 3 }));
    for (const { event, x, width: barWidth, lane } of row) {
      const text = described(event, now);
      const bar = svg("rect", {
        class: `bar ${standing(event, now)}`, x, width: barWidth, y: y + LABEL + lane * LANE + 3,
        height: LANE - 6, rx: 2, tabindex: -1, role: "img", "aria-label": text, "data-id": event.id,
      });
      bar.append(svg("title", {}, text));
      for (const kind of ["pointerenter", "click", "focus"]) {
        bar.addEventListener(kind, () => tell(text, event));
      }
      bars.push({ bar, event });
      group.append(bar);
    }
    drawing.append(group);
    y += LABEL + lanes * LANE + GAP;
  }
  const step = width < 500 ? 10 : 5;
  for (let days = DAYS; days >= 0; days -= step) {
    const x = place(now - days * DAY);
    grid.append(svg("line", { class: "grid", x1: x, x2: x, y1: 0, y2: y }));
    const anchor = days === DAYS ? "start" : days === 0 ? "end" : "middle";
    const label = days === 0 ? "now" : dayFormat.format(now - days * DAY);
    grid.append(svg("text", { x, y: y + 14, "text-anchor": anchor }, label));
  }
  drawing.setAttribute("height", y + 20);
  drawing.setAttribute("viewBox", `0 0 ${width} ${y + 20}`);
  container.replaceChildren(drawing);
  moveWithArrows(bars, chosen);
}

function times(number) {
  return number === 1 ? "once" : `${number} times`;
}

function shortened(text, width) {
  const room = Math.floor((width - 90) / 7);
  return text.length > room ? `${text.slice(0, room - 1)}…` : text;
}

// The Tab key reaches one bar; the arrow keys move from it through time.
function moveWithArrows(bars, chosen) {
  if (!bars.length) return;
  bars.sort((one, other) => byBeginning(one.event, other.event));
  let at = bars.findIndex(({ event }) => event.id === chosen);
  const hadFocus = at >= 0;
  if (!hadFocus) at = bars.length - 1;
  bars[at].bar.setAttribute("tabindex", 0);
  if (hadFocus) bars[at].bar.focus({ preventScroll: true });
  bars.forEach(({ bar }, index) => bar.addEventListener("keydown", (press) => {
    const to = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: bars.length - 1 }[press.key];
    if (to === undefined || !bars[to]) return;
    press.preventDefault();
    bar.setAttribute("tabindex", -1);
    bars[to].bar.setAttribute("tabindex", 0);
    bars[to].bar.focus();
  }));
}
