// Money, distances and times in the reader's language, by Intl.
import { computed } from '@preact/signals';
import { language, locale } from '../i18n';
import type { Money } from './types';

/** Currencies whose minor unit is not a hundredth, by ISO 4217. Intl knows other numbers: those that people write. */
const DIGITS: Record<string, number> = Object.fromEntries([
  ...'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'.split(' ').map((code) => [code, 0]),
  ...'BHD IQD JOD KWD LYD OMR TND'.split(' ').map((code) => [code, 3]),
  ...'CLF UYW'.split(' ').map((code) => [code, 4]),
]);

/** Minor units of a currency as a power of ten. */
export function minorDigits(currency: string): number {
  return DIGITS[currency] ?? 2;
}

const formats = new Map<string, Intl.NumberFormat>();
function number(key: string, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const name = `${locale.value}|${key}`;
  let format = formats.get(name);
  if (!format) formats.set(name, (format = new Intl.NumberFormat(locale.value, options)));
  return format;
}

/** `$ 24.920`: without decimals where there are none to show. */
export function money({ amount, currency }: Money): string {
  const value = amount / 10 ** minorDigits(currency);
  const whole = Number.isInteger(value);
  return number(`${currency}${whole}`, {
    style: 'currency',
    currency,
    currencyDisplay: 'narrowSymbol',
    minimumFractionDigits: whole ? 0 : minorDigits(currency),
    maximumFractionDigits: whole ? 0 : minorDigits(currency),
  }).format(value);
}

export function discountPercent(price: Money, original: Money): number {
  return original.amount > price.amount ? Math.round((1 - price.amount / original.amount) * 100) : 0;
}

/** `850 m`, `2.4 km`. */
export function metres(value: number): string {
  if (value < 1000) {
    const rounded = value < 100 ? Math.round(value) : Math.round(value / 10) * 10;
    return number('m', { style: 'unit', unit: 'meter', maximumFractionDigits: 0 }).format(rounded);
  }
  const fraction = value < 10_000 ? 1 : 0;
  return number(`km${fraction}`, { style: 'unit', unit: 'kilometer', maximumFractionDigits: fraction }).format(value / 1000);
}

export function count(value: number): string {
  return number('n', {}).format(value);
}

export function compact(value: number): string {
  return number('c', { notation: 'compact', maximumFractionDigits: 1 }).format(value);
}

export function percent(value: number): string {
  return number('%', { style: 'percent', maximumFractionDigits: 0 }).format(value);
}

/** `4:05`, `1:02:09`, `3 d 4 h`: what a countdown shows. */
export function countdown(seconds: number): string {
  const two = (value: number) => String(value).padStart(2, '0');
  if (seconds >= 86_400) return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

const dates = computed(() => new Intl.DateTimeFormat(locale.value, { dateStyle: 'medium', timeStyle: 'short' }));
const seconds = computed(() => new Intl.DateTimeFormat(locale.value, { timeStyle: 'medium' }));
const days = computed(() => new Intl.DateTimeFormat(locale.value, { dateStyle: 'short', timeStyle: 'short' }));
const calendar = computed(() => new Intl.DateTimeFormat(locale.value, { day: 'numeric', month: 'short', timeZone: 'UTC' }));
const times = computed(() => new Intl.DateTimeFormat(locale.value, { timeStyle: 'short' }));

export function dateTime(time: string): string {
  return dates.value.format(new Date(time));
}

/** A moment of late: today's by the second, an older one with its day. */
export function recent(at: string): string {
  const moment = new Date(at);
  const isToday = moment.toDateString() === new Date().toDateString();
  return (isToday ? seconds : days).value.format(moment);
}

/** `2026-11-24` as a day of the calendar, whatever the reader's time zone. */
export function calendarDay(day: string): string {
  return day && calendar.value.format(new Date(`${day}T00:00:00Z`));
}

export function time(at: string): string {
  return times.value.format(new Date(at));
}

export function list(items: string[]): string {
  return new Intl.ListFormat(language.value, { type: 'conjunction' }).format(items);
}
