// Words of a part of the app that is loaded later, beside it: each key with its English and its Spanish.
import { language } from './index';

/** Makes the function that gives the words for a key, with `{name}` filled in. */
export function words<K extends string>(table: Record<K, readonly [english: string, spanish: string]>) {
  return (key: K, values: Record<string, string | number> = {}): string =>
    table[key][language.value === 'es' ? 1 : 0].replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ''));
}
