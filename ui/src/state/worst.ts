// The state of an envelope that goes to several people is the worst of theirs: what most wants to be known.
import type { OutgoingState } from "../ipc";

const order: Record<OutgoingState["kind"], number> = {
  needsYou: 0,
  expired: 1,
  retrying: 2,
  sending: 3,
  queued: 4,
  sealed: 5,
  recalled: 6,
  atRelay: 7,
  fetched: 8,
  elsewhere: 9,
};

export function worst(states: readonly OutgoingState[]): OutgoingState | null {
  return states.toSorted((a, b) => order[a.kind] - order[b.kind])[0] ?? null;
}
