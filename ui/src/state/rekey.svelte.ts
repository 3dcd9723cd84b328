// A new key for the whole vault: how far it is, and the acts that begin it, hold it, go on with it and give it up.
import type { Failure, Port, RekeyStatus, RenewalKind, Result } from "../ipc";
import { Reread } from "./reread";

type Read = { status: Result<RekeyStatus | null>; words: string[] };

export class RekeyProgress {
  current = $state.raw<RekeyStatus | null>(null);
  failure = $state.raw<Failure | null>(null);
  /** The new recovery code, until it was typed back. */
  words = $state.raw<string[]>([]);
  /** It was finished while somebody looked. */
  done = $state(false);
  acting = $state<"begin" | "confirm" | "goOn" | "undo" | null>(null);

  readonly #port: Port;
  readonly #reread: Reread<Read>;

  constructor(port: Port) {
    this.#port = port;
    this.#reread = new Reread(
      async () => {
        const status = await port.rekey();
        const code = status.status === "ok" && status.data !== null ? await port.rekeyCode() : null;
        return { status, words: code?.status === "ok" ? code.data : [] };
      },
      ({ status, words }) => {
        this.failure = status.status === "error" ? status.error : null;
        if (status.status === "error") return;
        if (this.current !== null && status.data === null && this.acting !== "undo") this.done = true;
        this.current = status.data;
        this.words = words;
      },
    );
  }

  read = () => this.#reread.now();

  /** Each answers the failure, for the form to show beside what was typed. */
  begin = (current: string, newPassphrase: string, althoughWeak: boolean, renewal: RenewalKind | null) =>
    this.#act("begin", this.#port.beginRekey(current, newPassphrase, althoughWeak, renewal));
  confirm = (groups: [number, string][]) => this.#act("confirm", this.#port.confirmRekeyCode(groups));
  pause = () => this.#act("goOn", this.#port.pauseRekey());
  resume = () => this.#act("goOn", this.#port.resumeRekey());
  goOn = (newPassphrase: string) => this.#act("goOn", this.#port.continueRekey(newPassphrase, null));
  undo = () => this.#act("undo", this.#port.undoRekey());

  clear(): void {
    this.#reread.forget();
    this.current = null;
    this.failure = null;
    this.words = [];
    this.done = false;
    this.acting = null;
  }

  async #act(name: NonNullable<RekeyProgress["acting"]>, act: Promise<Result<unknown>>): Promise<Failure | null> {
    this.acting = name;
    if (name === "begin") this.done = false;
    const answer = await act;
    // Locked meanwhile: nothing comes back.
    if (this.acting !== name) return null;
    await this.read();
    this.acting = null;
    return answer.status === "error" ? answer.error : null;
  }
}
