// The whole window's stage: welcome, onboarding, locked, in use, corrupt, open; and the acts that move between them.
import type { Failure, Port, RelayChoice, Result, Stage } from "../ipc";
import { Reread } from "./reread";

export class StageState {
  current = $state.raw<Stage | null>(null);
  /** Which act is running, so that its button can say so. */
  acting = $state<string | null>(null);
  failure = $state.raw<Failure | null>(null);

  readonly #port: Port;
  readonly #reread: Reread<Result<Stage>>;

  constructor(port: Port) {
    this.#port = port;
    this.#reread = new Reread(
      () => port.stage(),
      (answer) => this.#take(answer),
    );
  }

  read = () => this.#reread.now();

  chooseIdentity = (name: string, relay: RelayChoice) =>
    this.#act("chooseIdentity", this.#port.chooseIdentity(name, relay));
  createVault = (passphrase: string) => this.#act("createVault", this.#port.createVault(passphrase));
  confirmRecovery = (groups: [number, string][]) => this.#act("confirmRecovery", this.#port.confirmRecovery(groups));
  finishOnboarding = (sendTest: boolean) => this.#act("finishOnboarding", this.#port.finishOnboarding(sendTest));
  backToIdentity = () => this.#act("backToIdentity", this.#port.backToIdentity());
  unlock = (passphrase: string) => this.#act("unlock", this.#port.unlock(passphrase));
  lock = () => this.#act("lock", this.#port.lock());
  recover = (words: string, newPassphrase: string) => this.#act("recover", this.#port.recover(words, newPassphrase));
  restore = (words: string, newPassphrase: string) =>
    this.#act("restore", this.#port.restoreBackup(words, newPassphrase, false));
  finishLink = (passphrase: string) => this.#act("finishLink", this.#port.finishLink(passphrase));
  startOver = () => this.#act("startOver", this.#port.startOver());

  async #act(name: string, answer: Promise<Result<Stage>>): Promise<boolean> {
    this.acting = name;
    this.failure = null;
    const result = await answer;
    this.acting = null;
    this.#take(result);
    return result.status === "ok";
  }

  #take(answer: Result<Stage>): void {
    if (answer.status === "error") {
      this.failure = answer.error;
    } else {
      if (this.current?.kind !== answer.data.kind) this.failure = null;
      this.current = answer.data;
    }
  }
}
