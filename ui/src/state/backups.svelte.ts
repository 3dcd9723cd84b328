// Backups: the list of those that were written, one being written or restored, and the acts.
import type { BackupRow, BackupWork, ChosenBackup, Failure, Port, Result } from "../ipc";
import { Reread } from "./reread";

export class BackupsState {
  rows = $state.raw<BackupRow[] | null>(null);
  work = $state.raw<BackupWork | null>(null);
  /** The file that is to be restored. */
  chosen = $state.raw<ChosenBackup | null>(null);
  failure = $state.raw<Failure | null>(null);
  acting = $state<"write" | "choose" | "forget" | null>(null);

  readonly #port: Port;
  readonly #reread: Reread<Result<BackupRow[]>>;
  readonly #rework: Reread<Result<BackupWork | null>>;

  constructor(port: Port) {
    this.#port = port;
    this.#reread = new Reread(
      () => port.backups(),
      (answer) => {
        if (answer.status === "ok") this.rows = answer.data;
        else this.failure = answer.error;
      },
    );
    this.#rework = new Reread(
      () => port.backupProgress(),
      (answer) => {
        if (answer.status === "ok") this.work = answer.data;
      },
    );
  }

  read = () => this.#reread.now();
  readWork = () => this.#rework.now();
  cancel = () => this.#port.cancelBackup();

  /** Answers whether one was written; none when the person chose no place. */
  async write(): Promise<boolean> {
    const rows = await this.#act("write", this.#port.writeBackup());
    if (rows) this.rows = rows;
    return rows !== null;
  }

  async forget(id: string): Promise<void> {
    const rows = await this.#act("forget", this.#port.forgetBackup(id));
    if (rows) this.rows = rows;
  }

  /** Answers whether a file was chosen that says it is a backup. */
  async choose(): Promise<boolean> {
    const chosen = await this.#act("choose", this.#port.chooseBackup());
    if (chosen) this.chosen = chosen;
    return chosen !== null;
  }

  clear(): void {
    this.#reread.forget();
    this.rows = null;
    this.chosen = null;
    this.failure = null;
    this.acting = null;
  }

  async #act<T>(name: NonNullable<typeof this.acting>, act: Promise<Result<T | null>>): Promise<T | null> {
    this.acting = name;
    this.failure = null;
    const answer = await act;
    // Locked meanwhile: nothing comes back.
    if (this.acting !== name) return null;
    this.acting = null;
    if (answer.status === "ok") return answer.data;
    this.failure = answer.error;
    return null;
  }
}
