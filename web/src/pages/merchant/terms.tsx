// The terms of a sale as controls: its daily window, its reach, who may claim and how; for launching and for editing.
import type { Signal } from '@preact/signals';
import { now } from '../../core/clock';
import { metres, money } from '../../core/format';
import type { Money } from '../../core/types';
import { t } from '../../i18n';
import { Field } from '../../ui/kit';
import { minor } from './products';
import { m } from './words';

/** A daily window: times on the wall of a time zone, from one local date to another or for good. */
export interface DailyWindow {
  from: string;
  to: string;
  timezone: string;
  start_date: string;
  end_date?: string | null;
}

export interface Terms {
  price: Money;
  stock: number;
  per_shopper_limit: number | null;
  reach_m: number;
  claim_within_m: number | null;
  hold_seconds: number;
  segments: string[];
  category: string | null;
}

type Errors = Record<string, string>;

const REACH_M = { min: 50, max: 50_000 };
/** The slider is logarithmic: a block and a metropolis are both a thumb's width. */
const toSlider = (reach: number) => Math.round((1000 * Math.log(reach / REACH_M.min)) / Math.log(REACH_M.max / REACH_M.min));
const fromSlider = (value: number) => {
  const exact = REACH_M.min * (REACH_M.max / REACH_M.min) ** (value / 1000);
  const step = exact < 1000 ? 50 : exact < 10_000 ? 100 : 1000;
  return Math.min(REACH_M.max, Math.max(REACH_M.min, Math.round(exact / step) * step));
};

/** A moment as `datetime-local` shows it. */
export function local(ms: number): string {
  const at = new Date(ms);
  return new Date(ms - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

const text = (form: FormData, name: string) => String(form.get(name) ?? '').trim();
const number = (form: FormData, name: string) => (text(form, name) === '' ? null : Number(text(form, name)));

/** What the controls of this file, a price and a stock say. */
export function termsOf(form: FormData, currency: string, reach: number, segments: string[]): Terms {
  return {
    price: { amount: minor(text(form, 'price'), currency), currency },
    stock: number(form, 'stock') ?? 0,
    per_shopper_limit: number(form, 'limit'),
    reach_m: reach,
    claim_within_m: number(form, 'claim'),
    hold_seconds: number(form, 'hold') ?? 60,
    segments,
    category: text(form, 'category') || null,
  };
}

export function dailyOf(form: FormData, timezone: string): DailyWindow {
  const last = text(form, 'last');
  return { from: text(form, 'from'), to: text(form, 'to'), timezone, start_date: text(form, 'first'), ...(last ? { end_date: last } : {}) };
}

/** Warns of a price that is no discount; it is not refused, for the merchant may have a reason. `asked` is minor units. */
export function NoDiscount({ asked, regular }: { asked: number; regular: Money | undefined }) {
  const isDear = regular !== undefined && asked >= regular.amount;
  return (
    <div role="status" class={isDear ? '' : 'vh'} data-testid="no-discount">
      {isDear && <p class="notice">{m(asked > regular.amount ? 'launch.dearer' : 'launch.no-discount', { price: money(regular) })}</p>}
    </div>
  );
}

export function Daily({ given, errors }: { given?: DailyWindow | undefined; errors: Errors }) {
  const first = given?.start_date ?? local(now()).slice(0, 10);
  return (
    <div class="columns">
      <Field label={m('launch.from')} name="from" type="time" required defaultValue={given?.from ?? '17:00'} error={errors['/daily/from']} />
      <Field label={m('launch.to')} name="to" type="time" required defaultValue={given?.to ?? '19:00'} error={errors['/daily/to']} />
      <Field label={m('launch.first')} name="first" type="date" required defaultValue={first} error={errors['/daily/start_date']} />
      <Field
        label={`${m('launch.last')} (${t('common.optional')})`}
        name="last"
        type="date"
        defaultValue={given?.end_date ?? ''}
        error={errors['/daily/end_date'] ?? errors['/daily']}
      />
    </div>
  );
}

export function Reach({ reach, errors }: { reach: Signal<number>; errors: Errors }) {
  return (
    <label class="field">
      <span class="legend">{m('launch.reach', { distance: metres(reach.value) })}</span>
      <input class="range" type="range" min={0} max={1000} step={1} value={toSlider(reach.value)} onInput={(event) => (reach.value = fromSlider(event.currentTarget.valueAsNumber))} />
      {errors['/reach_m'] && <span class="error">{errors['/reach_m']}</span>}
    </label>
  );
}

/** Limit, hold, claim radius, category and segments. */
export function Details({ given, segments, errors }: { given?: Terms | undefined; segments: Signal<string[]>; errors: Errors }) {
  const shown = (value: number | null | undefined, otherwise: string) => (given ? String(value ?? '') : otherwise);
  return (
    <details>
      <summary>{m('launch.more')}</summary>
      <div class="stack">
        <div class="columns">
          <Field label={m('launch.limit')} name="limit" type="number" min={1} max={1000} defaultValue={shown(given?.per_shopper_limit, '1')} error={errors['/per_shopper_limit']} />
          <Field label={m('launch.hold')} name="hold" type="number" min={0} max={3600} defaultValue={shown(given?.hold_seconds, '60')} error={errors['/hold_seconds']} />
        </div>
        <Field label={m('launch.claim')} name="claim" type="number" min={50} defaultValue={shown(given?.claim_within_m, '2000')} error={errors['/claim_within_m']} />
        <Field label={`${m('launch.category')} (${t('common.optional')})`} name="category" defaultValue={given?.category ?? ''} error={errors['/category']} />
        <div class="plain" role="group" aria-label={m('launch.segments')}>
          <span class="legend">{m('launch.segments')}</span>
          <div class="row wrap">
            {(['new', 'regular', 'frequent'] as const).map((name) => {
              const on = segments.value.includes(name);
              return (
                <button
                  key={name}
                  class="chip"
                  type="button"
                  aria-pressed={on}
                  onClick={() => (segments.value = on ? segments.value.filter((one) => one !== name) : [...segments.value, name])}
                >
                  {t(`segment.${name}`)}
                </button>
              );
            })}
          </div>
        </div>
      </div>
    </details>
  );
}
