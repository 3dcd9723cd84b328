// The account's computers, and how far linking another one is, on either side.
import type { Device, Failure, History, LinkInvitation, LinkStatus, Port, RelayChoice, Result } from "../ipc";
import { Reread } from "./reread";

type Act = "begin" | "accept" | "file" | "clipboard" | "confirm" | "remove" | "rename" | "give";

export class LinkState {
  status = $state.raw<LinkStatus>({ kind: "none" });
  /** What this new computer shows. */
  invitation = $state.raw<LinkInvitation | null>(null);
  devices = $state.raw<Device[] | null>(null);
  /** What goes to and comes from the account's other computers. */
  histories = $state.raw<History[]>([]);
  failure = $state.raw<Failure | null>(null);
  acting = $state<Act | null>(null);

  readonly #port: Port;
  readonly #reread: Reread<Result<LinkStatus>>;
  readonly #redevices: Reread<Result<Device[]>>;
  readonly #rehistories: Reread<Result<History[]>>;

  constructor(port: Port) {
    this.#port = port;
    this.#reread = new Reread(
      () => port.linkStatus(),
      (answer) => {
        if (answer.status === "ok") this.status = answer.data;
      },
    );
    this.#redevices = new Reread(
      () => port.devices(),
      (answer) => {
        this.failure = answer.status === "error" ? answer.error : null;
        if (answer.status === "ok") this.devices = answer.data;
      },
    );
    this.#rehistories = new Reread(
      () => port.histories(),
      (answer) => {
        if (answer.status === "ok") this.histories = answer.data;
      },
    );
  }

  /** When the link is over, unless it comes further before. */
  readonly endsAt = $derived("endsAt" in this.status ? this.status.endsAt : null);

  read = () => this.#reread.now();
  readDevices = () => this.#redevices.now();
  readHistories = () => this.#rehistories.now();

  /** Each answers the failure, for the form to show beside what was typed. */
  begin = (relay: RelayChoice, name: string) => this.#act("begin", this.#port.beginLink(relay, name), (made) => (this.invitation = made));
  accept = (text: string) => this.#act("accept", this.#port.acceptLink(text), (status) => (this.status = status));
  /** From a picture of the new computer's QR code; nothing happens when none was picked. */
  acceptQr = (from: "file" | "clipboard") =>
    this.#act<LinkStatus | null>(from, from === "file" ? this.#port.acceptLinkFile() : this.#port.acceptLinkClipboard(), (status) => {
      if (status !== null) this.status = status;
    });
  confirm = (code: string, passphrase: string) =>
    this.#act("confirm", this.#port.confirmLink(code, passphrase), (status) => (this.status = status));
  remove = (id: string, passphrase: string) => this.#act("remove", this.#port.removeDevice(id, passphrase), (devices) => (this.devices = devices));
  rename = (id: string, name: string) => this.#act("rename", this.#port.renameDevice(id, name), (devices) => (this.devices = devices));
  giveHistory = (device: string) => this.#act("give", this.#port.giveHistory(device), (histories) => (this.histories = histories));

  /** Ends a link, or puts away what became of the last one. */
  async cancel(): Promise<void> {
    await this.#port.cancelLink();
    this.invitation = null;
    await this.read();
  }

  clear(): void {
    this.#reread.forget();
    this.#redevices.forget();
    this.#rehistories.forget();
    this.status = { kind: "none" };
    this.invitation = null;
    this.devices = null;
    this.histories = [];
    this.failure = null;
    this.acting = null;
  }

  async #act<T>(name: Act, act: Promise<Result<T>>, take: (data: T) => void): Promise<Failure | null> {
    this.acting = name;
    const answer = await act;
    // Locked meanwhile: nothing comes back.
    if (this.acting !== name) return null;
    if (answer.status === "ok") take(answer.data);
    await this.read();
    this.acting = null;
    return answer.status === "error" ? answer.error : null;
  }
}
