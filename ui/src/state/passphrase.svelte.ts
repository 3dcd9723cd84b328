// Choosing a passphrase: one that is offered or one's own, typed once more; how strong it is, and the real unlock time.
import type { Port, Strength, UnlockTime } from "../ipc";

export class PassphraseState {
  way = $state<"suggested" | "own">("suggested");
  own = $state("");
  repeated = $state("");
  suggested = $state("");
  strength = $state.raw<Strength | null>(null);
  unlockTime = $state.raw<UnlockTime | null>(null);

  readonly #port: Port;
  #asked = 0;

  constructor(port: Port) {
    this.#port = port;
  }

  readonly typed = $derived(this.way === "suggested" ? this.suggested : this.own);
  /** What is chosen, once it was typed twice alike. */
  readonly chosen = $derived(this.typed !== "" && this.typed === this.repeated ? this.typed : null);

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

  /** Forgets what was offered and typed; how long unlocking takes is no secret. */
  clear(): void {
    this.#asked += 1;
    this.way = "suggested";
    this.suggested = this.own = this.repeated = "";
    this.strength = null;
  }
}
