// What onboarding asks of the shell: a suggested passphrase, its strength, the real unlock time, the recovery code.
import type { Port, Strength, UnlockTime } from "../ipc";

export class OnboardingState {
  suggested = $state("");
  strength = $state.raw<Strength | null>(null);
  unlockTime = $state.raw<UnlockTime | null>(null);
  words = $state.raw<string[]>([]);

  readonly #port: Port;
  #asked = 0;

  constructor(port: Port) {
    this.#port = port;
  }

  async suggest(): Promise<void> {
    const answer = await this.#port.suggestPassphrase();
    if (answer.status === "ok") this.suggested = answer.data;
  }

  async measure(): Promise<void> {
    const answer = await this.#port.unlockTime();
    if (answer.status === "ok") this.unlockTime = answer.data;
  }

  /** Only the answer to the newest question counts: typing is faster than estimating. */
  async weigh(passphrase: string): Promise<void> {
    const asked = ++this.#asked;
    if (passphrase === "") {
      this.strength = null;
      return;
    }
    const answer = await this.#port.passphraseStrength(passphrase);
    if (answer.status === "ok" && asked === this.#asked) this.strength = answer.data;
  }

  async readRecoveryCode(): Promise<void> {
    const answer = await this.#port.recoveryCode();
    if (answer.status === "ok") this.words = answer.data;
  }

  copy = (text: string) => this.#port.copyText(text);

  clear(): void {
    this.#asked += 1;
    this.suggested = "";
    this.strength = null;
    this.unlockTime = null;
    this.words = [];
  }
}
