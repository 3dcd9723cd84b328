// The letters of the fake world: a working week between Alice and the desks that she writes with.
import type { Contact, DropSource, EnvelopeView, FileView, IncomingState, Me, OutgoingState, Party } from "../port";
import { DAY, HOUR, MINUTE, hex, numbers, partyOf, youOf } from "./world";

type Incoming = {
  from: Party | null;
  drop?: DropSource;
  ago: number;
  state: IncomingState;
  subject: string;
  body: string;
  files?: FileView[];
  claimedAgo?: number;
  missing?: number;
};

type Outgoing = {
  folder: "outbox" | "sent";
  to: [Contact, OutgoingState][];
  ago: number;
  subject: string;
  body: string;
  files?: FileView[];
};

const opened: IncomingState = { kind: "opened" };
const waiting: IncomingState = { kind: "waiting" };

export function file(seed: number, name: string, size: number, type: string, state: FileView["state"]): FileView {
  return { id: hex(seed + 900, 16), name, size, type, state };
}

export function letters(now: number, me: Me, people: Record<"bob" | "clinic" | "desk" | "courier" | "locksmith", Contact>) {
  const { bob, clinic, desk, courier, locksmith } = people;
  const incoming: Incoming[] = [
    {
      from: partyOf(bob), ago: 6 * MINUTE, state: waiting, subject: "Key codes for Thursday",
      body: "Alice,\n\nbefore Thursday let us compare the key code once more over the phone. I will have mine open at four.\n\nThe figures are attached; the second sheet is the one that matters. If the totals differ from yours by more than a few euros, tell me before you send it on, because the clinic closes the month on Friday.\n\nBob",
      files: [
        file(1, "figures-november.ods", 184_320, "application/vnd.oasis.opendocument.spreadsheet", { kind: "atRelay" }),
        file(2, "signed-order.pdf", 2_411_724, "application/pdf", { kind: "atRelay" }),
      ],
    },
    { from: partyOf(desk), ago: 48 * MINUTE, state: waiting, subject: "Case 4412: the log you asked for", body: "The log is attached, with the customer's name taken out.", files: [file(3, "case-4412.log", 48_213, "text/plain", { kind: "atRelay" })] },
    { from: partyOf(clinic), ago: 2 * HOUR, state: waiting, subject: "Change of appointment", body: "We have moved the appointment to Tuesday, 09:40. Please confirm.", claimedAgo: 26 * HOUR },
    {
      from: partyOf(courier), ago: 5 * HOUR, state: opened, subject: "Pick-up at the back door",
      body: "The driver comes between 13:00 and 14:00 and asks for the code on the slip. Please have the sealed bag ready; he cannot wait.\n\nIf nobody is there he goes on and comes back tomorrow.",
      files: [file(4, "slip.pdf", 91_204, "application/pdf", { kind: "saved", path: "Downloads/slip.pdf" }), file(5, "route.gpx", 12_930_220, "application/gpx+xml", { kind: "transferring", done: 5_600_000, total: 12_930_220 })],
    },
    {
      from: null, ago: 7 * HOUR, state: opened, subject: "", drop: { id: hex(52, 16), name: "Front desk", reach: "Locker 12, any day after six", receipt: "8736-4f28" },
      body: "Good morning,\n\nthe back door was open again at seven. The picture shows it.\n\nPlease do not call me at work.",
      files: [file(6, "back-door.jpg", 2_481_000, "image/jpeg", { kind: "atRelay" })],
    },
    { from: null, ago: 8 * HOUR, state: { kind: "unopenable", reason: "unknownKey" }, subject: "", body: "" },
    { from: partyOf(bob), ago: 1 * DAY + 2 * HOUR, state: opened, subject: "Re: Offer for the second floor", body: "That works for me. I have told the others that you decide.\n\nBob", missing: 1 },
    { from: youOf(me), ago: 1 * DAY + 5 * HOUR, state: opened, subject: "Note to myself", body: "Paper for the printer, and the form for the notary." },
    { from: partyOf(locksmith), ago: 1 * DAY + 7 * HOUR, state: opened, subject: "Your new lock", body: "The lock you asked for in the shop has come. May I fit it on Wednesday?" },
    { from: partyOf(clinic), ago: 2 * DAY, state: opened, subject: "Results", body: "The results are back and there is nothing to worry about. The doctor will explain them on Tuesday." },
    { from: partyOf(desk), ago: 3 * DAY, state: opened, subject: "Case 4398 is closed", body: "Thank you. We have closed the case and removed the files." },
    { from: null, ago: 4 * DAY, state: { kind: "unopenable", reason: "damaged" }, subject: "", body: "" },
    { from: partyOf(bob), ago: 6 * DAY, state: opened, subject: "A name that is far too long to fit in any list of messages, whatever its width may be, and goes on", body: "Only to see what happens." },
    { from: partyOf(courier), ago: 9 * DAY, state: opened, subject: "Delivered", body: "Delivered on the second floor at 10:12." },
  ];
  const outgoing: Outgoing[] = [
    { folder: "outbox", to: [[clinic, { kind: "needsYou", reason: "recipientChanged" }]], ago: 20 * MINUTE, subject: "Re: Change of appointment", body: "Tuesday suits me.\n\nAlice" },
    { folder: "outbox", to: [[bob, { kind: "sending", done: 3_100_000, total: 7_200_000 }], [desk, { kind: "retrying", reason: "mailboxFull", nextTry: now + 3 * MINUTE }]], ago: 12 * MINUTE, subject: "Plans for the second floor", body: "Both drawings are attached.", files: [file(11, "floor-2.pdf", 7_200_000, "application/pdf", { kind: "transferring", done: 3_100_000, total: 7_200_000 })] },
    { folder: "outbox", to: [[desk, { kind: "queued", behind: true }]], ago: 4 * MINUTE, subject: "One more thing about case 4412", body: "Please look at line 210." },
    { folder: "sent", to: [[bob, { kind: "fetched" }]], ago: 1 * DAY + 3 * HOUR, subject: "Offer for the second floor", body: "Would the second floor suit you?\n\nAlice" },
    { folder: "sent", to: [[bob, { kind: "fetched" }], [courier, { kind: "atRelay" }]], ago: 2 * DAY + 4 * HOUR, subject: "Keys for the courier", body: "The keys are with the porter." },
    { folder: "sent", to: [[desk, { kind: "recalled" }]], ago: 3 * DAY, subject: "Wrong file", body: "This was the wrong one." },
    { folder: "sent", to: [[clinic, { kind: "expired" }]], ago: 31 * DAY, subject: "Insurance", body: "The number you asked for is 1234." },
  ];
  return [
    ...incoming.map((letter, index) => incomingView(letter, index, now)),
    ...outgoing.map((letter, index) => outgoingView(letter, index, now)),
  ];
}

/** Thousands of letters, to see how the list behaves. */
export function manyLetters(now: number, people: Contact[], count: number): EnvelopeView[] {
  const from = numbers(42);
  const subjects = ["Order", "Appointment", "Case", "Delivery", "Minutes", "Invoice", "Question about case"];
  return Array.from({ length: count }, (_, index) => {
    const random = from.next().value;
    const contact = people[random % people.length] ?? null;
    const subject = `${subjects[(random >>> 4) % subjects.length] ?? ""} ${1000 + ((random >>> 8) % 9000)}`;
    return incomingView(
      { from: contact && partyOf(contact), ago: 10 * DAY + index * 47 * MINUTE, state: opened, subject, body: `This is about ${subject.toLowerCase()}. Nothing is needed from you.` },
      1000 + index,
      now,
    );
  });
}

function incomingView(letter: Incoming, index: number, now: number): EnvelopeView {
  return {
    row: {
      id: letter.from || letter.drop ? `in-${hex(index + 1, 16)}` : `sealed-${index + 1}`,
      folder: "inbox",
      from: letter.from,
      drop: letter.drop ?? null,
      to: [],
      incoming: letter.state,
      subject: letter.subject,
      preview: letter.body.replace(/\s+/g, " ").slice(0, 120),
      at: now - letter.ago,
      claimedAt: letter.claimedAgo === undefined ? null : now - letter.claimedAgo,
      attachments: letter.files?.length ?? 0,
    },
    body: letter.body,
    files: letter.files ?? [],
    inReplyTo: null,
    missingBefore: letter.missing ?? 0,
    otherBefore: false,
    unknownKind: null,
  };
}

function outgoingView(letter: Outgoing, index: number, now: number): EnvelopeView {
  const to: EnvelopeView["row"]["to"] = letter.to.map(([contact, state]) => ({ party: partyOf(contact), state, leftOut: 0 }));
  return {
    row: {
      id: `out-${hex(index + 501, 16)}`, folder: letter.folder, from: null, drop: null, to, incoming: null,
      subject: letter.subject, preview: letter.body.replace(/\s+/g, " ").slice(0, 120),
      at: now - letter.ago, claimedAt: null, attachments: letter.files?.length ?? 0,
    },
    body: letter.body, files: letter.files ?? [], inReplyTo: null, missingBefore: 0, otherBefore: false, unknownKind: null,
  };
}
