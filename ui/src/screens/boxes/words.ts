// What is said of a drop box in more than one place.
import type { DropBox } from "../../state";
import { day, m, shortTime } from "../../text";

/** How far it is, and until when. */
export function sayState(box: DropBox): string {
  const date = day(box.expiresAt);
  switch (box.state) {
    case "new":
      return m.box_state_new();
    case "open":
      return box.burn === "once" ? m.box_state_open_once({ date }) : m.box_state_open({ date });
    case "used":
      return m.box_state_used();
    case "expired":
      return m.box_state_expired({ date });
    case "relayLeft":
      return m.box_state_relayLeft();
  }
}

/** What came, what waits, and when the last one came. */
export function sayCame(box: DropBox, now: number): string {
  const said = [
    box.waiting > 0 ? m.box_waiting({ count: box.waiting }) : "",
    box.opened > 0 ? m.box_opened({ count: box.opened }) : "",
    box.lastDrop === null ? "" : m.box_last({ time: shortTime(box.lastDrop, now) }),
  ].filter(Boolean);
  return said.length > 0 ? said.join(", ") : m.box_nothing();
}

