import { render, screen } from "@testing-library/svelte";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import App from "../../App.svelte";
import { FakeShell, worldOf } from "../../ipc/fake";
import { Face } from "../../state";

async function locked() {
  const shell = new FakeShell(worldOf("locked"));
  const face = new Face(shell);
  await face.start();
  render(App, { props: { face } });
  const field = await screen.findByLabelText("Passphrase");
  return { face, shell, field: field as HTMLInputElement, user: userEvent.setup() };
}

test("the one field has the focus, and counts are shown but no content", async () => {
  const { field, face } = await locked();
  expect(document.activeElement).toBe(field);
  expect(screen.getByText("3 envelopes are waiting for you")).toBeTruthy();
  expect(document.body.textContent).not.toContain("Bob");
  face.stop();
});

test("a wrong passphrase gets one sentence and stays selected; the right one opens", async () => {
  const { field, user, face } = await locked();
  await user.type(field, "wrong{Enter}");
  expect(await screen.findByText("That passphrase does not open this vault.")).toBeTruthy();
  expect(field.value).toBe("wrong");
  expect([field.selectionStart, field.selectionEnd]).toEqual([0, 5]);
  await user.type(field, "harbour violin cactus amber tunnel lantern mosaic{Enter}", { initialSelectionStart: 0, initialSelectionEnd: 5 });
  expect(await screen.findByRole("navigation", { name: "Folders" })).toBeTruthy();
  face.stop();
});

test("Caps Lock is said, and the passphrase can be shown", async () => {
  const { field, user, face } = await locked();
  await user.click(screen.getByRole("button", { name: "Show" }));
  expect(field.type).toBe("text");
  await user.keyboard("{CapsLock}a");
  expect(await screen.findByText("Caps Lock is on")).toBeTruthy();
  face.stop();
});

test("locking takes every word of the vault off the screen", async () => {
  const { field, user, face } = await locked();
  await user.type(field, "harbour violin cactus amber tunnel lantern mosaic{Enter}");
  await user.click(await screen.findByRole("button", { name: "Contacts" }));
  await screen.findByRole("button", { name: "Write" });
  await user.click(screen.getByRole("button", { name: "Lock now" }));
  await screen.findByText("Waxwing is locked");
  expect(document.body.textContent).not.toMatch(/bob@|clinic|Thursday/i);
  face.stop();
});
