// The actions of the keys window with their shortcuts, for the keyboard and its sheet.
import { keysSections, type Keys, type KeysSection } from "../../state";
import { m } from "../../text";
import { moveRegion, type Action } from "../help/actions";

export const sectionNames: Record<KeysSection, () => string> = {
  mine: m.keys_mine,
  devices: m.keys_devices,
  contacts: m.keys_contacts,
  passphrase: m.keys_passphrase,
  recovery: m.keys_recovery,
  activity: m.keys_activity,
};

export function keysActions(keys: Keys): Action[] {
  return [
    ...keysSections.map((section, index) => ({
      id: `go-${section}`, group: "go" as const, name: sectionNames[section](), keys: [`Ctrl+${index + 1}`],
      possible: true, run: () => keys.go(section),
    })),
    { id: "back", group: "app", name: m.act_back(), keys: ["Escape"], possible: keys.section === "contacts" && keys.account !== null, run: () => (keys.account = null) },
    { id: "sheet", group: "app", name: m.act_sheet(), keys: ["Ctrl+/", "?"], possible: true, run: () => (keys.sheet = true) },
    { id: "region", group: "app", name: m.act_region(), keys: ["F6"], possible: true, run: () => moveRegion(1) },
    { id: "region-back", group: "app", name: m.act_region_back(), keys: ["Shift+F6"], possible: true, run: () => moveRegion(-1) },
    { id: "lock", group: "app", name: m.act_lock(), keys: ["Ctrl+L"], possible: true, run: () => void keys.lock() },
  ];
}
