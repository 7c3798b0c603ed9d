// The app's words. English is the list of keys; the compiler holds Spanish to it. Chosen by the browser, switchable.
import { computed, effect, signal } from '@preact/signals';
import { speak } from '../core/api';
import { en } from './en';
import { es } from './es';

export type Language = 'en' | 'es';
export type Key = keyof typeof en;

const KEPT = 'flash.language';
const WORDS: Record<Language, Record<Key, string>> = { en, es };

function choose(): Language {
  try {
    const kept = localStorage.getItem(KEPT);
    if (kept === 'en' || kept === 'es') return kept;
  } catch {
    // As the browser says.
  }
  const wanted = navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => tag === 'en' || tag === 'es');
  return wanted === 'es' ? 'es' : 'en';
}

export const language = signal<Language>(choose());

/** The tag for Intl: the browser's own region where its language is the chosen one. */
export const locale = computed(() => navigator.languages.find((tag) => tag.startsWith(language.value)) ?? language.value);

export function setLanguage(next: Language): void {
  language.value = next;
  try {
    localStorage.setItem(KEPT, next);
  } catch {
    // Chosen again next time.
  }
}

effect(() => {
  document.documentElement.lang = language.value;
  speak(language.value);
});

/** The words for a key, with `{name}` filled in. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return WORDS[language.value][key].replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ''));
}

/** Whether there are words for a key that came from the server. */
export function known(key: string): key is Key {
  return key in en;
}

/** `key.one` for one, `key.many` for any other number. */
export function plural(key: string, value: number, values: Record<string, string | number> = {}): string {
  const form = new Intl.PluralRules(language.value).select(value) === 'one' ? 'one' : 'many';
  return t(`${key}.${form}` as Key, { n: value, ...values });
}
