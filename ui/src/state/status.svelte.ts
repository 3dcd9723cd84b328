// What the status bar and the counts in the rail say.
import type { Port, Result, Status } from "../ipc";
import { Reread } from "./reread";

export class StatusState {
  current = $state.raw<Status | null>(null);

  readonly #port: Port;
  readonly #reread: Reread<Result<Status>>;

  constructor(port: Port) {
    this.#port = port;
    this.#reread = new Reread(
      () => port.status(),
      (answer) => this.#take(answer),
    );
  }

  read = () => this.#reread.now();

  tryNow = () => this.#port.tryNow(null);

  async setLocalRelay(running: boolean): Promise<void> {
    this.#take(await this.#port.setLocalRelay(running));
  }

  clear(): void {
    this.#reread.forget();
    this.current = null;
  }

  #take(answer: Result<Status>): void {
    if (answer.status === "ok") this.current = answer.data;
  }
}
