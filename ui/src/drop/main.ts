// The page that a relay serves for the link of a drop box. It seals in the visitor's browser and hands in what it sealed; it
// belongs to no account and keeps nothing. Carries out docs/protocol.md section 18.
//
//   bytes.ts         bytes, CBOR, the ciphers
//   file.ts          a file, sealed segment by segment
//   seal.ts          the box's record, and a message sealed to it
//   relay.ts         the relay's calls
//   upload.ts        one file on its way
//   visit.svelte.ts  the visit, from the link to the receipt
import { mount } from "svelte";
import { follow } from "../text/locale.svelte";
import "./drop.css";
import Drop from "./Drop.svelte";
import { Visit } from "./visit.svelte";

const target = document.getElementById("drop");
if (target) {
  follow("system");
  const visit = new Visit(location);
  mount(Drop, { target, props: { visit } });
  await visit.open();
}
