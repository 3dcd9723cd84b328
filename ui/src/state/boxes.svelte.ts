// The drop boxes of this computer: links by which anybody writes here sealed.
import type { BurnRule, DropBox, Failure, Port, Result } from "../ipc";
import { Reread } from "./reread";

export class BoxesState {
  /** Newest first. */
  list = $state.raw<DropBox[]>([]);
  loaded = $state(false);
  failure = $state.raw<Failure | null>(null);

  readonly #port: Port;
  readonly #reread: Reread<Result<DropBox[]>>;

  constructor(port: Port) {
    this.#port = port;
    this.#reread = new Reread(
      () => port.dropBoxes(),
      (answer) => {
        this.loaded = true;
        this.failure = answer.status === "error" ? answer.error : null;
        if (answer.status === "ok") this.list = answer.data;
      },
    );
  }

  read = () => this.#reread.now();

  find(id: string): DropBox | undefined {
    return this.list.find((box) => box.id === id);
  }

  /** Answers the failure for the form to show beside the field. */
  async make(name: string, days: number, burn: BurnRule): Promise<Result<DropBox>> {
    const answer = await this.#port.makeDropBox(name, days, burn);
    await this.read();
    return answer;
  }

  qr = (id: string) => this.#port.dropBoxQr(id);

  async remove(id: string): Promise<boolean> {
    const answer = await this.#port.removeDropBox(id);
    await this.read();
    if (answer.status === "error") this.failure = answer.error;
    return answer.status === "ok";
  }

  clear(): void {
    this.#reread.forget();
    this.list = [];
    this.loaded = false;
    this.failure = null;
  }
}
