// The people one can write to, and the person who uses this computer.
import type { Contact, Failure, Me, Port, QrComparison, Result } from "../ipc";
import { Reread } from "./reread";

export class ContactsState {
  /** Everybody who is known: the contacts, and the strangers who wrote first or were removed. */
  list = $state.raw<Contact[]>([]);
  me = $state.raw<Me | null>(null);
  loaded = $state(false);
  failure = $state.raw<Failure | null>(null);
  query = $state("");

  readonly #port: Port;
  readonly #reread: Reread<[Result<Contact[]>, Result<Me>]>;

  constructor(port: Port) {
    this.#port = port;
    this.#reread = new Reread(
      () => Promise.all([port.contacts(), port.me()]),
      ([contacts, me]) => {
        this.loaded = true;
        if (contacts.status === "ok") this.list = contacts.data;
        if (me.status === "ok") this.me = me.data;
        this.failure = contacts.status === "error" ? contacts.error : me.status === "error" ? me.error : null;
      },
    );
  }

  readonly people = $derived(this.list.filter((contact) => !contact.stranger));

  readonly shown = $derived.by(() => {
    const words = this.query.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    const matching = this.people.filter((contact) => {
      const text = `${contact.name} ${contact.address}`.toLocaleLowerCase();
      return words.every((word) => text.includes(word));
    });
    return matching.toSorted((a, b) => a.name.localeCompare(b.name));
  });

  read = () => this.#reread.now();

  find(account: string): Contact | undefined {
    return this.list.find((contact) => contact.account === account);
  }

  /** Answers the failure for the form to show beside the field. */
  add = (address: string) => this.#port.addContact(address);
  rename = (account: string, name: string) => this.#change(this.#port.renameContact(account, name));
  markCompared = (account: string, same: boolean) => this.#change(this.#port.markCompared(account, same));
  acceptChange = (account: string) => this.#change(this.#port.acceptChange(account));
  qr = (account: string) => this.#port.contactQr(account);
  /** Reads a picture of their QR code; null when none was picked. The same code marks the key as compared. */
  compareQr = (account: string, from: "file" | "clipboard"): Promise<Result<QrComparison | null>> =>
    from === "file" ? this.#port.compareQrFile(account) : this.#port.compareQrClipboard(account);
  remove = (account: string) => this.#change(this.#port.removeContact(account));

  clear(): void {
    this.#reread.forget();
    this.list = [];
    this.me = null;
    this.loaded = false;
    this.failure = null;
    this.query = "";
  }

  async #change(change: Promise<Result<unknown>>): Promise<boolean> {
    const answer = await change;
    await this.read();
    this.failure = answer.status === "error" ? answer.error : null;
    return answer.status === "ok";
  }
}
