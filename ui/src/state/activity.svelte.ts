// What was done with the keys, newest first, and which kind of it is shown.
import type { ActivityKind, ActivityLine, Port } from "../ipc";
import { Paged } from "./paged.svelte";

export type ActivityFilter = "all" | "unlocks" | "acts";

const unlocks: ReadonlySet<ActivityKind> = new Set<ActivityKind>(["unlocked", "unlockedByRecovery", "unlockFailed", "locked"]);

export class ActivityState extends Paged<ActivityLine> {
  filter = $state<ActivityFilter>("all");

  constructor(port: Port) {
    super((cursor, limit) => port.activity(cursor, limit));
  }

  readonly shown = $derived(
    this.filter === "all" ? this.rows : this.rows.filter((line) => unlocks.has(line.kind) === (this.filter === "unlocks")),
  );

  /** Lines of one kind are looked for in the whole list. */
  choose(filter: ActivityFilter): void {
    this.filter = filter;
    if (filter !== "all") void this.all();
  }

  override clear(): void {
    super.clear();
    this.filter = "all";
  }
}
