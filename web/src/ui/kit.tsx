// The small pieces that pages are made of.
import { signal, useComputed, useSignal } from '@preact/signals';
import type { ComponentChildren, InputHTMLAttributes, RefObject } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { Problem } from '../core/api';
import { beat } from '../core/clock';
import { countdown, metres } from '../core/format';
import { known, t, type Key } from '../i18n';
import { Icon } from './icons';

/** A modal dialog: the browser keeps the focus in it, and Escape closes it. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ComponentChildren }) {
  const element = useRef<HTMLDialogElement>(null);
  const name = useId();
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={element}
      aria-labelledby={name}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => event.target === element.current && onClose()}
    >
      <div class="head">
        <h2 id={name}>{title}</h2>
        <button class="button quiet icon" type="button" onClick={onClose} aria-label={t('common.close')}>
          <Icon name="close" />
        </button>
      </div>
      <div class="body">{children}</div>
    </dialog>
  );
}

const toasts = signal<{ id: number; text: string }[]>([]);
let toastId = 0;

/** Says something in passing. */
export function say(text: string): void {
  const id = ++toastId;
  toasts.value = [...toasts.value.slice(-2), { id, text }];
  setTimeout(() => (toasts.value = toasts.value.filter((toast) => toast.id !== id)), 5000);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((toast) => (
        <div class="toast" key={toast.id}>
          {toast.text}
        </div>
      ))}
    </div>
  );
}

/** What to tell a person about a failure: the app's words for the code, else the server's. */
export function reason(error: unknown): string {
  if (!(error instanceof Problem)) return t('common.failed');
  const { body } = error;
  const key = `error.${error.code}`;
  if (!known(key)) return body.detail || t('common.failed');
  return t(key, { distance: metres(body.distance_m ?? 0), within: metres(body.claim_within_m ?? 0) });
}

/** Says why an action failed, where it was tried; nothing while nothing failed. */
export function Refused({ error }: { error: unknown }) {
  if (error === null) return null;
  return (
    <p class="notice bad" role="alert">
      {reason(error)}
    </p>
  );
}

/** A control with its label, a hint and what is wrong with it. */
export function Field(
  props: { label: string; hint?: string | undefined; error?: string | undefined; children?: ComponentChildren } & InputHTMLAttributes<HTMLInputElement>,
) {
  const { label, hint, error, children, ...input } = props;
  const id = useId();
  const about = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ') || undefined;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children ? (
        <select id={id} class="input" aria-describedby={about} aria-invalid={error ? 'true' : undefined} {...(input as object)}>
          {children}
        </select>
      ) : (
        <input id={id} class="input" aria-describedby={about} aria-invalid={error ? 'true' : undefined} {...input} />
      )}
      {hint && (
        <span class="hint" id={`${id}-hint`}>
          {hint}
        </span>
      )}
      {error && (
        <span class="error" id={`${id}-error`}>
          {error}
        </span>
      )}
    </div>
  );
}

/** A text that is to be taken elsewhere, with the button that takes it along. */
export function Copy({ text, label, id }: { text: string; label: string; id?: string }) {
  const copy = () => navigator.clipboard.writeText(text).then(() => say(t('common.copied')));
  return (
    <div class="row copy">
      <code class="grow break" data-testid={id}>
        {text}
      </code>
      <button class="button small" type="button" aria-label={`${t('common.copy')}: ${label}`} onClick={() => void copy().catch((error) => say(reason(error)))}>
        <Icon name="copy" size={16} />
        {t('common.copy')}
      </button>
    </div>
  );
}

/** The server's words about each field, by pointer. */
export function fieldErrors(error: unknown): Record<string, string> {
  if (!(error instanceof Problem)) return {};
  return Object.fromEntries((error.body.errors ?? []).map((one) => [one.field, one.detail]));
}

/** Time left until a moment of the server's clock, to the second. `label` says of what, for the ear, and for the eye where `spelt`. */
export function Countdown({ to, label, soon = 60, spelt = false }: { to: string; label?: Key; soon?: number; spelt?: boolean }) {
  const until = useSignal(to);
  until.value = to;
  const left = useComputed(() => Math.max(0, Math.ceil((Date.parse(until.value) - beat.value) / 1000)));
  const text = useComputed(() => countdown(left.value));
  const near = useComputed(() => left.value <= soon);
  return (
    <span class="ticking" data-soon={near} data-until={to}>
      <Icon name="clock" size={15} />
      {label ? <span class={spelt ? undefined : 'vh'}>{t(label, { time: '' })}</span> : null}
      <span class="num">{text}</span>
    </span>
  );
}

/** The time that is left of a hold, as a ring. */
export function HoldRing({ until, from }: { until: string; from: string }) {
  const ends = Date.parse(until);
  const whole = Math.max(1, ends - Date.parse(from));
  const left = useComputed(() => Math.max(0, ends - beat.value));
  const text = useComputed(() => countdown(Math.ceil(left.value / 1000)));
  const round = 2 * Math.PI * 56;
  const offset = useComputed(() => round * (1 - Math.min(1, left.value / whole)));
  const colour = useComputed(() => (left.value < 15_000 ? 'var(--bad)' : 'var(--flame)'));
  return (
    <div class="ring" role="timer" aria-label={t('claim.held')}>
      <svg viewBox="0 0 124 124" aria-hidden="true">
        <circle cx="62" cy="62" r="56" fill="none" stroke="var(--line)" stroke-width="9" />
        <circle cx="62" cy="62" r="56" fill="none" stroke={colour} stroke-width="9" stroke-linecap="round" stroke-dasharray={round} stroke-dashoffset={offset} />
      </svg>
      <span data-testid="hold">{text}</span>
    </div>
  );
}

/** Runs an action once at a time and says what went wrong. */
export function useAction(): { busy: boolean; error: unknown; run: (work: () => Promise<unknown>) => void; clear: () => void } {
  const busy = useSignal(false);
  const error = useSignal<unknown>(null);
  return {
    busy: busy.value,
    error: error.value,
    clear: () => (error.value = null),
    run: (work) => {
      if (busy.value) return;
      busy.value = true;
      error.value = null;
      work()
        .catch((caught) => (error.value = caught))
        .finally(() => (busy.value = false));
    },
  };
}

/**
 * Takes the focus to what has replaced the pressed button: gone with it, the focus would begin anew at the page's top. Whoever
 * is somewhere else stays there.
 */
export function useArrival<E extends HTMLElement>(): RefObject<E | null> {
  const element = useRef<E>(null);
  useEffect(() => {
    const at = document.activeElement;
    if (at === null || at === document.body || at instanceof HTMLDialogElement) element.current?.focus({ preventScroll: true });
  }, []);
  return element;
}

export function Empty({ icon, title, children }: { icon: Parameters<typeof Icon>[0]['name']; title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <div class="glyph">
        <Icon name={icon} size={30} />
      </div>
      <h2>{title}</h2>
      {children}
    </div>
  );
}
