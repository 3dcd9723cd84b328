// A new account key: how far it is and who has picked it up, what is looked at before, and the acts on one's own key.
import type { Failure, KeyRenewal, Port, Preflight, Result } from "../ipc";
import { Reread } from "./reread";

type Act = "rotate" | "reset" | "revoke" | "statement";

export class RenewalState {
  current = $state.raw<KeyRenewal | null>(null);
  failure = $state.raw<Failure | null>(null);
  /** What was looked at before; none while it is looked. */
  checks = $state.raw<Preflight[] | null>(null);
  acting = $state<Act | null>(null);

  readonly #port: Port;
  readonly #reread: Reread<Result<KeyRenewal | null>>;

  constructor(port: Port) {
    this.#port = port;
    this.#reread = new Reread(
      () => port.keyRenewal(),
      (answer) => {
        this.failure = answer.status === "error" ? answer.error : null;
        if (answer.status === "ok") this.current = answer.data;
      },
    );
  }

  read = () => this.#reread.now();

  async look(): Promise<void> {
    this.checks = null;
    const answer = await this.#port.renewalPreflight();
    this.checks = answer.status === "ok" ? answer.data : [];
  }

  /** Each answers the failure, for the form to show beside what was typed. */
  rotate = (passphrase: string) => this.#act("rotate", this.#port.rotateKey(passphrase));
  reset = (passphrase: string) => this.#act("reset", this.#port.resetKey(passphrase));
  revoke = (passphrase: string, lastFour: string) => this.#act("revoke", this.#port.revokeKey(passphrase, lastFour));

  publish = (text: string) => this.#act("revoke", this.#port.publishRevocation(text));

  async statement(passphrase: string): Promise<Result<string>> {
    this.acting = "statement";
    const answer = await this.#port.revocationStatement(passphrase);
    this.acting = null;
    return answer;
  }

  exportCard = () => this.#port.exportCard();

  clear(): void {
    this.#reread.forget();
    this.current = null;
    this.failure = null;
    this.checks = null;
    this.acting = null;
  }

  async #act(name: Act, act: Promise<Result<null>>): Promise<Failure | null> {
    this.acting = name;
    const answer = await act;
    // Locked meanwhile: nothing comes back.
    if (this.acting !== name) return null;
    await this.read();
    this.acting = null;
    return answer.status === "error" ? answer.error : null;
  }
}
