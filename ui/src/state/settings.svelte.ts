// The settings: shown as the shell keeps them, saved one change at a time.
import type { Failure, Port, Result, Settings } from "../ipc";
import { Reread } from "./reread";

export class SettingsState {
  current = $state.raw<Settings | null>(null);
  failure = $state.raw<Failure | null>(null);

  readonly #port: Port;
  readonly #reread: Reread<Result<Settings>>;

  constructor(port: Port) {
    this.#port = port;
    this.#reread = new Reread(
      () => port.settings(),
      (answer) => this.#take(answer),
    );
  }

  read = () => this.#reread.now();

  async change(change: Partial<Settings>): Promise<boolean> {
    if (!this.current) return false;
    const answer = await this.#port.saveSettings({ ...this.current, ...change });
    this.#take(answer);
    return answer.status === "ok";
  }

  #take(answer: Result<Settings>): void {
    if (answer.status === "ok") this.current = answer.data;
    this.failure = answer.status === "error" ? answer.error : null;
  }
}
