// Says aloud what changes while nobody touches anything: envelopes that arrive, the relay going and coming, a second start.
import type { Face } from "../../state";
import { m } from "../../text";

export function news(face: Face): void {
  let waiting: number | null = null;
  let offline: boolean | null = null;
  $effect(() => {
    const status = face.status.current;
    if (!status) return;
    if (waiting !== null && status.waiting > waiting) face.announcer.say(m.said_waiting({ count: status.waiting }));
    waiting = status.waiting;
    const nowOffline = status.relay.kind === "offline";
    if (offline !== null && nowOffline !== offline && status.relay.kind !== "connecting")
      face.announcer.say(nowOffline ? m.said_offline() : m.said_online());
    if (status.relay.kind !== "connecting") offline = nowOffline;
  });
  $effect(() => {
    if (face.reopened) face.announcer.say(m.status_reopened());
  });
}
