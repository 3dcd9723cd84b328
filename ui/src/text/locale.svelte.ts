// The language of the face: chosen in the settings, else the system's, else English.
import { baseLocale, isLocale, locales, overwriteGetLocale, type Locale } from "./generated/runtime.js";

export type { Locale };

let chosen = $state<Locale>(baseLocale);

overwriteGetLocale(() => chosen);

export function currentLocale(): Locale {
  return chosen;
}

/** Follows a setting ("system", "en", "de"), and tells the document its language and direction. */
export function follow(setting: string): void {
  chosen = isLocale(setting) ? setting : systemLocale();
  document.documentElement.lang = chosen;
}

function systemLocale(): Locale {
  for (const tag of navigator.languages) {
    const language = tag.split("-")[0] ?? "";
    if (isLocale(language)) return language;
  }
  return locales[0];
}
