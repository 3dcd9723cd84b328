import { describe, expect, test, vi } from "vitest";
import { FakeShell, worldOf } from "../../ipc/fake";
import { Face } from "../../state";
import { actionsOf, hear, nameOf, type Action } from "./actions";

const actions = () => actionsOf(new Face(new FakeShell(worldOf("open"))));

describe("actions", () => {
  test("each has a name and a shortcut, and no two share one", () => {
    const all = actions();
    expect(all.every((action) => action.name !== "" && action.keys.length > 0)).toBe(true);
    const keys = all.flatMap((action) => action.keys);
    expect(new Set(keys).size).toBe(keys.length);
    expect(new Set(all.map((action) => action.id)).size).toBe(all.length);
  });

  test("are heard by their keys, wherever the focus is", () => {
    expect(nameOf(new KeyboardEvent("keydown", { key: "n", ctrlKey: true }))).toBe("Ctrl+N");
    expect(nameOf(new KeyboardEvent("keydown", { key: "A", ctrlKey: true, shiftKey: true }))).toBe("Ctrl+Shift+A");
    expect(nameOf(new KeyboardEvent("keydown", { key: "?", shiftKey: true }))).toBe("?");
    expect(nameOf(new KeyboardEvent("keydown", { key: "/", ctrlKey: true, shiftKey: true }))).toBe("Ctrl+/");
    expect(nameOf(new KeyboardEvent("keydown", { key: "F6", shiftKey: true }))).toBe("Shift+F6");
  });

  test("bare keys count only where nobody is typing", () => {
    const run = vi.fn();
    const next: Action[] = [{ id: "next", group: "list", name: "Next", keys: ["J"], possible: true, run }];
    const field = document.body.appendChild(document.createElement("input"));
    window.addEventListener("keydown", (event) => hear(event, next, false));
    field.dispatchEvent(new KeyboardEvent("keydown", { key: "j", bubbles: true }));
    expect(run).not.toHaveBeenCalled();
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "j", bubbles: true }));
    expect(run).toHaveBeenCalledOnce();
  });
});
