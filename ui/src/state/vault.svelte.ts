// How the vault is locked, when that was last changed and tested, and the acts that do so.
import type { Failure, Port, Result, VaultKeys } from "../ipc";
import { Reread } from "./reread";

export class VaultState {
  current = $state.raw<VaultKeys | null>(null);
  failure = $state.raw<Failure | null>(null);
  /** Which act is running, wherever the person has gone meanwhile. */
  acting = $state<"change" | "strengthen" | "test" | null>(null);

  readonly #port: Port;
  readonly #reread: Reread<Result<VaultKeys>>;

  constructor(port: Port) {
    this.#port = port;
    this.#reread = new Reread(
      () => port.vaultKeys(),
      (answer) => {
        this.failure = answer.status === "error" ? answer.error : null;
        if (answer.status === "ok") this.current = answer.data;
      },
    );
  }

  read = () => this.#reread.now();

  /** Each answers the failure, for the form to show beside what was typed. */
  changePassphrase = (current: string, newPassphrase: string, althoughWeak: boolean) =>
    this.#act("change", this.#port.changePassphrase(current, newPassphrase, althoughWeak));
  strengthen = (passphrase: string) => this.#act("strengthen", this.#port.strengthen(passphrase));
  testRecovery = (words: string) => this.#act("test", this.#port.testRecovery(words));

  clear(): void {
    this.#reread.forget();
    this.current = null;
    this.failure = null;
    this.acting = null;
  }

  async #act(name: NonNullable<VaultState["acting"]>, act: Promise<Result<VaultKeys>>): Promise<Failure | null> {
    this.acting = name;
    const answer = await act;
    // Locked meanwhile: nothing comes back.
    if (this.acting !== name) return null;
    this.acting = null;
    if (answer.status === "error") return answer.error;
    // A read that is still on its way may have begun before the act.
    this.#reread.forget();
    this.current = answer.data;
    this.failure = null;
    return null;
  }
}
