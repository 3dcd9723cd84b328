// Every action with its shortcut: the one list that the keyboard, the palette and the keyboard sheet read.
import { sections, type Detail, type Face, type Section } from "../../state";
import { m } from "../../text";

export type ActionGroup = "write" | "go" | "list" | "envelope" | "app";

export interface Action {
  id: string;
  group: ActionGroup;
  name: string;
  /** Written as `Ctrl+Shift+N`; several are alternatives. None is an action that only the palette offers. */
  keys: string[];
  possible: boolean;
  run: () => void;
}

export function actionsOf(face: Face): Action[] {
  const { place, drafts, opened, contacts, status } = face;
  const row = opened.view?.row ?? null;
  const writing = drafts.writing;
  const list = neighbours(face);
  const local = status.current?.localRelay;
  const goes: Record<Section, () => string> = {
    inbox: m.nav_inbox,
    outbox: m.nav_outbox,
    sent: m.nav_sent,
    drafts: m.nav_drafts,
    contacts: m.nav_contacts,
    boxes: m.nav_boxes,
    settings: m.nav_settings,
  };
  return [
    { id: "write", group: "write", name: m.act_write(), keys: ["Ctrl+N"], possible: true, run: () => void face.write() },
    { id: "reply", group: "write", name: m.act_reply(), keys: ["Ctrl+R"], possible: row?.folder === "inbox" && row.from !== null && !writing, run: () => void face.write(row?.id ?? null) },
    { id: "send", group: "write", name: m.act_send(), keys: ["Ctrl+Enter"], possible: writing !== null, run: () => void send(face) },
    { id: "attach", group: "write", name: m.act_attach(), keys: ["Ctrl+Shift+A"], possible: writing !== null, run: () => void writing?.attach() },
    { id: "discard", group: "write", name: m.act_discard(), keys: ["Ctrl+Shift+D"], possible: writing !== null, run: () => (place.asking = "discardDraft") },

    ...sections.map((section, index) => ({
      id: `go-${section}`, group: "go" as const, name: goes[section](), keys: [section === "settings" ? "Ctrl+," : `Ctrl+${index + 1}`],
      possible: true, run: () => face.go(section),
    })),

    { id: "keys", group: "go", name: m.act_keys(), keys: ["Ctrl+Shift+K"], possible: true, run: () => void face.openKeys() },

    { id: "search", group: "list", name: m.act_search(), keys: ["Ctrl+F"], possible: true, run: focusSearch },
    { id: "next", group: "list", name: m.act_next(), keys: ["J"], possible: list.next !== null, run: () => face.show(list.next) },
    { id: "previous", group: "list", name: m.act_previous(), keys: ["K"], possible: list.previous !== null, run: () => face.show(list.previous) },
    { id: "back", group: "list", name: m.act_back(), keys: ["Escape"], possible: place.detail !== null, run: () => face.back() },

    { id: "delete", group: "envelope", name: m.act_delete(), keys: ["Delete"], possible: row !== null, run: () => (place.asking = "deleteEnvelope") },
    { id: "save-files", group: "envelope", name: m.act_save_files(), keys: ["Ctrl+S"], possible: row?.folder === "inbox" && row.attachments > 0, run: () => void saveAll(face) },
    { id: "try-now", group: "envelope", name: m.act_try_now(), keys: ["Ctrl+Shift+R"], possible: true, run: () => void status.tryNow() },

    { id: "contact-add", group: "app", name: m.act_contact_add(), keys: ["Ctrl+Shift+N"], possible: true, run: () => addContact(face) },
    { id: "box-make", group: "app", name: m.act_box_make(), keys: ["Ctrl+Shift+B"], possible: true, run: () => makeBox(face) },
    { id: "copy-address", group: "app", name: m.act_copy_address(), keys: ["Ctrl+Shift+C"], possible: contacts.me !== null, run: () => void copyAddress(face) },
    { id: "palette", group: "app", name: m.act_palette(), keys: ["Ctrl+K"], possible: true, run: () => (place.asking = "palette") },
    { id: "sheet", group: "app", name: m.act_sheet(), keys: ["Ctrl+/", "?"], possible: true, run: () => (place.asking = "sheet") },
    { id: "region", group: "app", name: m.act_region(), keys: ["F6"], possible: true, run: () => moveRegion(1) },
    { id: "region-back", group: "app", name: m.act_region_back(), keys: ["Shift+F6"], possible: true, run: () => moveRegion(-1) },
    { id: "relay", group: "app", name: local === "running" ? m.act_relay_stop() : m.act_relay_start(), keys: ["Ctrl+Shift+L"], possible: local === "running" || local === "stopped", run: () => void status.setLocalRelay(local !== "running") },
    { id: "lock", group: "app", name: m.act_lock(), keys: ["Ctrl+L"], possible: true, run: () => void face.lock() },
  ];
}

/** Runs the action whose keys were pressed. Bare keys count only where nobody is typing. */
export function hear(event: KeyboardEvent, actions: readonly Action[], asking: boolean): void {
  if (asking || event.defaultPrevented || event.isComposing) return;
  const pressed = nameOf(event);
  const typing = event.target instanceof HTMLElement && event.target.closest("input, textarea, [contenteditable]") !== null;
  if (typing && !pressed.startsWith("Ctrl+") && !/^(Shift\+)?(F\d+|Escape)$/.test(pressed)) return;
  const action = actions.find((one) => one.keys.includes(pressed));
  if (!action) return;
  event.preventDefault();
  if (action.possible) action.run();
}

export function nameOf(event: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "shiftKey" | "altKey">): string {
  const key = event.key.length === 1 ? event.key.toUpperCase() : event.key;
  // Where a sign needs Shift, the sign itself is the name: "?" and on some keyboards "/".
  const shift = event.shiftKey && (event.key.length > 1 || /[A-Z0-9]/.test(key));
  return [event.ctrlKey || event.metaKey ? "Ctrl" : "", event.altKey ? "Alt" : "", shift ? "Shift" : "", key].filter(Boolean).join("+");
}

export function sayKeys(keys: string): string {
  const names: Record<string, () => string> = {
    Ctrl: m.key_ctrl, Shift: m.key_shift, Enter: m.key_enter, Delete: m.key_delete, Escape: m.key_escape,
  };
  return keys.split("+").map((key) => names[key]?.() ?? key).join("+");
}

async function send(face: Face): Promise<void> {
  if (await face.send()) face.announcer.say(m.said_sealed());
}

async function saveAll(face: Face): Promise<void> {
  for (const file of face.opened.view?.files ?? []) if (file.state.kind === "atRelay") await face.opened.saveFile(file.id);
}

function addContact(face: Face): void {
  face.go("contacts");
  face.show({ kind: "addContact" });
}

function makeBox(face: Face): void {
  face.go("boxes");
  face.show({ kind: "makeBox" });
}

async function copyAddress(face: Face): Promise<void> {
  if (!face.contacts.me) return;
  await face.copy(face.contacts.me.address);
  face.announcer.say(m.copied());
}

function focusSearch(): void {
  document.querySelector<HTMLInputElement>('[role="searchbox"]')?.focus();
}

export function moveRegion(by: 1 | -1): void {
  const regions = [...document.querySelectorAll<HTMLElement>("[data-region]")].filter((region) => region.offsetParent !== null);
  const at = regions.findIndex((region) => region.contains(document.activeElement));
  const region = regions[(at + by + regions.length) % regions.length];
  const inside = region?.querySelector<HTMLElement>('[role="listbox"], [aria-current="page"], input, textarea');
  (inside ?? region)?.focus();
}

function neighbours(face: Face): { next: Detail | null; previous: Detail | null } {
  const { section, detail } = face.place;
  const details: Detail[] =
    section === "contacts"
      ? face.contacts.shown.map(({ account }) => ({ kind: "contact", account }))
      : section === "drafts"
        ? face.drafts.list.map(({ id }) => ({ kind: "draft", id }))
        : section === "boxes"
          ? face.boxes.list.map(({ id }) => ({ kind: "box", id }))
          : section === "settings"
            ? []
            : face.folders[section].shown.map(({ id }) => ({ kind: "envelope", id }));
  const at = details.findIndex((one) => idOf(one) === idOf(detail));
  return { next: details[at + 1] ?? null, previous: at > 0 ? (details[at - 1] ?? null) : null };
}

function idOf(detail: Detail | null): string | null {
  if (detail === null || detail.kind === "addContact" || detail.kind === "makeBox") return null;
  return detail.kind === "contact" ? detail.account : detail.id;
}
