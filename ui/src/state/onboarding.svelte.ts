// The recovery code, while onboarding shows it.
import type { Port } from "../ipc";

export class OnboardingState {
  words = $state.raw<string[]>([]);

  readonly #port: Port;

  constructor(port: Port) {
    this.#port = port;
  }

  async readRecoveryCode(): Promise<void> {
    const answer = await this.#port.recoveryCode();
    if (answer.status === "ok") this.words = answer.data;
  }

  clear(): void {
    this.words = [];
  }
}
