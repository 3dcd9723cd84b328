// Numbers, sizes and times as people of the chosen language write them. `now` is always an argument.
import { currentLocale } from "./locale.svelte";
import { m } from "./generated/messages.js";

const DAY = 86_400_000;

const dates = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(currentLocale(), options);

/** 14:07: always with two digits, so that columns stand still. */
export const clockTime = (at: number): string => dates({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(at);

/** 4:07: minutes and seconds. */
export const minutes = (seconds: number): string => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;

export const day = (at: number): string => dates({ day: "numeric", month: "long", year: "numeric" }).format(at);

/** For a list: the time today, the weekday this week, then the date. */
export function shortTime(at: number, now: number): string {
  const days = daysBetween(at, now);
  if (days <= 0) return clockTime(at);
  if (days === 1) return m.time_yesterday();
  if (days < 7) return dates({ weekday: "short" }).format(at);
  if (days < 300) return dates({ day: "numeric", month: "short" }).format(at);
  return dates({ day: "numeric", month: "short", year: "numeric" }).format(at);
}

/** For a heading: never less than the day and the time. */
export function fullTime(at: number, now: number): string {
  const days = daysBetween(at, now);
  if (days === 0) return clockTime(at);
  if (days === 1) return `${m.time_yesterday()}, ${clockTime(at)}`;
  return dates({
    weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
    ...(days < 300 ? {} : { year: "numeric" }),
  }).format(at);
}

export const count = (value: number): string => new Intl.NumberFormat(currentLocale()).format(value);

export const percent = (done: number, total: number): string =>
  new Intl.NumberFormat(currentLocale(), { style: "percent" }).format(total > 0 ? Math.floor((100 * done) / total) / 100 : 0);

export function bytes(size: number): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;
  const step = size < 1000 ? 0 : size < 999_500 ? 1 : size < 999_500_000 ? 2 : 3;
  return new Intl.NumberFormat(currentLocale(), {
    style: "unit",
    unit: units[step],
    unitDisplay: step === 0 ? "long" : "short",
    maximumFractionDigits: step < 2 ? 0 : 1,
  }).format(size / 1000 ** step);
}

export const names = (list: string[]): string => new Intl.ListFormat(currentLocale(), { type: "conjunction" }).format(list);

function daysBetween(at: number, now: number): number {
  return Math.round((startOfDay(now) - startOfDay(at)) / DAY);
}

function startOfDay(at: number): number {
  return new Date(at).setHours(0, 0, 0, 0);
}
