// Everything the keys window shows: which section, whose key, and the state that only this window may ask for.
import type { Port, Unlisten } from "../ipc";
import { ActivityState } from "./activity.svelte";
import { Frame } from "./frame.svelte";
import { RekeyProgress } from "./rekey.svelte";
import { RenewalState } from "./renewal.svelte";
import { VaultState } from "./vault.svelte";

export const keysSections = ["mine", "devices", "contacts", "passphrase", "recovery", "activity"] as const;
export type KeysSection = (typeof keysSections)[number];

export class Keys extends Frame {
  readonly vault: VaultState;
  readonly rekey: RekeyProgress;
  readonly renewal: RenewalState;
  readonly activity: ActivityState;
  section = $state<KeysSection>("mine");
  /** The contact whose key is shown. */
  account = $state<string | null>(null);
  /** The keyboard sheet lies over the window. */
  sheet = $state(false);

  constructor(port: Port) {
    super(port);
    this.vault = new VaultState(port);
    this.rekey = new RekeyProgress(port);
    this.renewal = new RenewalState(port);
    this.activity = new ActivityState(port);
  }

  qr = () => this.port.ownQr();

  /** Goes to a section; what it shows is read anew. */
  go(section: KeysSection): void {
    this.section = section;
    void this.#refresh();
  }

  protected override hears(): Promise<Unlisten>[] {
    return [
      ...super.hears(),
      this.port.listen("stageChanged", () => this.ifOpen(() => this.#refresh())),
      this.port.listen("rekeyChanged", () => this.ifOpen(() => Promise.all([this.rekey.read(), this.renewal.read()]))),
      this.port.listen("backupChanged", () => this.ifOpen(() => this.backups.read())),
      this.port.listen("linkChanged", () => this.ifOpen(() => Promise.all([this.link.readDevices(), this.link.readHistories()]))),
      this.port.listen("renewalChanged", () => this.ifOpen(() => Promise.all([this.renewal.read(), this.contacts.read()]))),
    ];
  }

  protected override async fill(): Promise<void> {
    await Promise.all([super.fill(), this.vault.read(), this.rekey.read(), this.renewal.read(), this.link.readDevices(), this.link.readHistories(), this.activity.read(), this.backups.read()]);
  }

  protected override empty(): void {
    super.empty();
    this.passphrase.clear();
    this.vault.clear();
    this.rekey.clear();
    this.renewal.clear();
    this.activity.clear();
    this.backups.clear();
    this.section = "mine";
    this.account = null;
    this.sheet = false;
  }

  #refresh = () =>
    Promise.all([
      this.vault.read(),
      this.section === "activity" ? this.activity.read() : null,
      this.section === "devices" ? this.link.readDevices() : null,
      this.section === "recovery" ? this.backups.read() : null,
    ]);
}
