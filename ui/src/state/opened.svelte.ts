// The envelope in the detail pane, its files and what can be done with it.
import type { EnvelopeView, Failure, FileView, Port, Result } from "../ipc";
import { Reread } from "./reread";

export class OpenedState {
  id = $state<string | null>(null);
  view = $state.raw<EnvelopeView | null>(null);
  failure = $state.raw<Failure | null>(null);
  /** Progress told by events, by file id: newer than what the last read said. */
  progress = $state.raw<Readonly<Record<string, { done: number; total: number }>>>({});

  readonly #port: Port;
  readonly #reread: Reread<{ id: string; answer: Result<EnvelopeView> } | null>;

  constructor(port: Port) {
    this.#port = port;
    this.#reread = new Reread(
      async () => (this.id === null ? null : { id: this.id, answer: await port.envelope(this.id) }),
      (read) => {
        if (!read || read.id !== this.id) return;
        this.failure = read.answer.status === "error" ? read.answer.error : null;
        if (read.answer.status === "ok") this.view = read.answer.data;
      },
    );
  }

  open(id: string): void {
    if (this.id === id) return;
    this.clear();
    this.id = id;
    void this.#reread.now();
  }

  read = () => this.#reread.now();

  progressed(file: string, done: number, total: number): void {
    this.progress = { ...this.progress, [file]: { done, total } };
  }

  tryNow = () => this.#on((id) => this.#port.tryNow(id));
  recall = () => this.#on((id) => this.#port.recall(id));
  remove = () => this.#on((id) => this.#port.deleteEnvelope(id));
  cancelTransfer = (file: string) => this.#on(() => this.#port.cancelTransfer(file));
  saveFile = (file: string) => this.#on((id) => this.#port.saveFile(id, file));
  saveFileAs = (file: string) => this.#on((id) => this.#port.saveFileAs(id, file));

  /** Back to a draft; answers the draft's id. */
  cancelSend = () => this.#on((id) => this.#port.cancelSend(id));

  clear(): void {
    this.#reread.forget();
    this.id = null;
    this.view = null;
    this.failure = null;
    this.progress = {};
  }

  async #on<T>(act: (id: string) => Promise<Result<T>>): Promise<T | null> {
    const id = this.id;
    if (id === null) return null;
    const answer = await act(id);
    if (this.id !== id) return answer.status === "ok" ? answer.data : null;
    this.failure = answer.status === "error" && answer.error.kind !== "cancelled" ? answer.error : null;
    await this.read();
    return answer.status === "ok" ? answer.data : null;
  }
}

/** A file's state with the progress that events told since. */
export function fileNow(file: FileView, progress: OpenedState["progress"]): FileView {
  const told = progress[file.id];
  return file.state.kind === "transferring" && told ? { ...file, state: { kind: "transferring", ...told } } : file;
}
