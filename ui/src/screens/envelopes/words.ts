// The words for rows and people that several screens of envelopes share.
import { worst, type EnvelopeRow, type Face, type OutgoingState, type Party } from "../../state";
import { m, names, sayIncoming, sayOutgoing, shortTime, trusts, unopenables } from "../../text";

export const subjectOf = (row: EnvelopeRow): string => row.subject.trim() || (row.drop ? m.box_letter() : m.row_no_subject());

/** Who stands in the first line of a row: the sender, the drop box that it came through, or those it goes to. */
export function whoOf(row: EnvelopeRow): string {
  if (row.folder !== "inbox") return m.row_to({ names: names(row.to.map((to) => nameOf(to.party))) });
  if (row.drop) return m.box_from({ name: row.drop.name });
  return row.from ? nameOf(row.from) : m.row_unknown();
}

export const nameOf = (party: Pick<Party, "name" | "compared">): string => (party.compared === "you" ? m.row_you() : party.name);

/** A recipient whose account is all that a draft keeps. */
export function nameOfAccount({ contacts }: Face, account: string): string {
  return account === contacts.me?.account ? m.row_you() : (contacts.find(account)?.name ?? m.write_unknown());
}

export const worstOf = (row: EnvelopeRow): OutgoingState | null => worst(row.to.map((to) => to.state));

/** What a screen reader says for a whole row: one sentence, in the order of what matters. */
export function rowName(row: EnvelopeRow, now: number): string {
  const outgoing = worstOf(row);
  const state = row.incoming
    ? row.incoming.kind === "unopenable"
      ? `${sayIncoming(row.incoming)}. ${unopenables[row.incoming.reason]()}`
      : sayIncoming(row.incoming)
    : outgoing
      ? sayOutgoing(outgoing)
      : "";
  const trust = row.from ? trusts[row.from.compared]() : row.drop ? m.box_vouch() : "";
  const files = row.attachments > 0 ? m.row_files({ count: row.attachments }) : "";
  const subject = row.incoming?.kind === "unopenable" ? "" : subjectOf(row);
  return [whoOf(row), subject, state, shortTime(row.at, now), files, trust].filter(Boolean).join(", ");
}
