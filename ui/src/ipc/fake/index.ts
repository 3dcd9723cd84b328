// A shell in memory, for plain browsers and tests: the address of the page says which scene it plays.
//   ?scene=open|empty|many|offline|tampered|interrupted|weak|renewed|revoked|removed|welcome|identity|passphrase|recovery|done|restored|locked|lockedStart|inUse|corrupt
//   &latency=40        how long every answer takes, in milliseconds
//   &fail=command:kind that command answers this failure (may be given several times)
//   &theme= &language= what the settings say
import type { Failure } from "../port";
import { FakeShell } from "./shell";
import { isScene, worldOf } from "./scenes";

export function fakeFromAddress(address: URLSearchParams): FakeShell {
  const scene = address.get("scene") ?? "open";
  const world = worldOf(isScene(scene) ? scene : "open");
  const theme = address.get("theme");
  if (theme === "light" || theme === "dark") world.settings.theme = theme;
  const language = address.get("language");
  if (language === "en" || language === "de") world.settings.language = language;

  const shell = new FakeShell(world, Number(address.get("latency") ?? "40"));
  for (const fail of address.getAll("fail")) {
    const [command = "", kind = "internal"] = fail.split(":");
    shell.failNext(command, failureOf(kind));
  }
  Object.assign(window, { waxwingFake: shell });
  return shell;
}

function failureOf(kind: string): Failure {
  switch (kind) {
    case "wrongPassphrase":
    case "notEnoughMemory":
    case "diskFull":
    case "nameTaken":
    case "notFound":
    case "noRecipients":
    case "placeUnwritable":
    case "notABackup":
    case "backupDamaged":
    case "noLinkCode":
    case "addressInvalid":
      return { kind };
    case "relay":
      return { kind, reason: "relayUnreachable" };
    default:
      return { kind: "internal", code: kind };
  }
}

export { FakeShell } from "./shell";
export { worldOf, type Scene } from "./scenes";
