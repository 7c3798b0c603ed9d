// One's profile, what one wants to hear of, how the app looks; signing out and being forgotten.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { call, refreshUser, session, setUser, signOut } from '../core/api';
import { dateTime } from '../core/format';
import { here } from '../core/place';
import { go } from '../core/router';
import { setTheme, theme, type Theme } from '../core/theme';
import type { User } from '../core/types';
import { language, setLanguage, t, type Key } from '../i18n';
import { Dialog, Field, fieldErrors, reason, Refused, say, useAction } from '../ui/kit';
import { Devices } from './devices';

/** What one may want to hear of; the names are the server's. */
const KINDS = ['sale_started', 'ending_soon', 'back_in_stock'] as const;

function Profile({ user }: { user: User }) {
  const action = useAction();
  const errors = fieldErrors(action.error);
  return (
    <form
      class="card padded stack"
      onSubmit={(event) => {
        event.preventDefault();
        const form = new FormData(event.currentTarget);
        const phone = String(form.get('phone') ?? '').trim();
        action.run(async () => {
          setUser(await call<User>('PATCH', '/me', { display_name: String(form.get('name')), phone: phone || null, language: language.value }));
          say(t('common.saved'));
        });
      }}
    >
      <h2>{t('account.profile')}</h2>
      <p class="muted small">
        {user.email}
        <br />
        {t('account.id')}: <code>{user.id}</code>
        {user.segment && (
          <>
            <br />
            {t('account.segment', { date: dateTime(user.created_at), segment: t(`segment.${user.segment}` as 'segment.new') })}
          </>
        )}
      </p>
      <Field label={t('sign-in.name')} name="name" defaultValue={user.display_name} required error={errors['/display_name']} />
      <Field
        label={`${t('account.phone')} (${t('common.optional')})`}
        name="phone"
        type="tel"
        defaultValue={user.phone ?? ''}
        hint={t('account.phone.hint')}
        error={errors['/phone']}
      />
      <Refused error={action.error} />
      <button class="button primary" type="submit" disabled={action.busy}>
        {t('common.save')}
      </button>
    </form>
  );
}

function Switch({ label, checked, onChange }: { label: string; checked: boolean; onChange: (on: boolean) => void }) {
  return (
    <label class="row apart switch">
      <span>{label}</span>
      <input type="checkbox" role="switch" checked={checked} onChange={(event) => onChange(event.currentTarget.checked)} />
    </label>
  );
}

function Preferences({ user }: { user: User }) {
  const wants = user.notification_preferences;
  const patch = (change: object) => void call<User>('PATCH', '/me', change).then(setUser, (error) => say(reason(error)));
  // Quiet hours are of the clock on the wall where one is, so the zone goes along; what is null is taken away.
  const save = (change: Record<string, unknown>) => {
    const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
    const all = Object.entries({ ...wants, timezone: timeZone, ...change }).filter(([, value]) => value !== null);
    patch({ notification_preferences: Object.fromEntries(all) });
  };
  const quiet = (name: 'quiet_from' | 'quiet_to') => String(wants[name] ?? '');
  const place = here.value && { lat: here.value.lat, lng: here.value.lng };
  return (
    <section class="card padded stack">
      <h2>{t('account.preferences')}</h2>
      <Switch label={t('account.pref.enabled')} checked={wants.mute !== true} onChange={(on) => save({ mute: on ? null : true })} />
      {wants.mute !== true && (
        <>
          {KINDS.map((kind) => (
            <Switch key={kind} label={t(`account.pref.${kind}`)} checked={wants[kind] !== false} onChange={(on) => save({ [kind]: on ? null : false })} />
          ))}
          {(place || user.last_location) && (
            <Switch label={t('account.pref.nearby')} checked={user.last_location !== null} onChange={(on) => patch({ last_location: on ? place : null })} />
          )}
          <fieldset class="plain">
            <legend class="legend">{t('account.quiet')}</legend>
            <div class="columns">
              <Field label={t('account.quiet.from')} type="time" value={quiet('quiet_from')} onChange={(event) => save({ quiet_from: event.currentTarget.value || null })} />
              <Field label={t('account.quiet.to')} type="time" value={quiet('quiet_to')} onChange={(event) => save({ quiet_to: event.currentTarget.value || null })} />
              <Field
                label={t('account.pref.per-day')}
                type="number"
                min={0}
                max={100}
                value={typeof wants.max_per_day === 'number' ? wants.max_per_day : ''}
                onChange={(event) => save({ max_per_day: event.currentTarget.value === '' ? null : event.currentTarget.valueAsNumber })}
              />
            </div>
          </fieldset>
        </>
      )}
    </section>
  );
}

function Looks() {
  return (
    <section class="card padded stack">
      <div class="plain" role="group" aria-label={t('nav.theme')}>
        <span class="legend">{t('nav.theme')}</span>
        <div class="row wrap">
          {(['auto', 'light', 'dark'] as Theme[]).map((name) => (
            <button key={name} class="chip" type="button" aria-pressed={theme.value === name} onClick={() => setTheme(name)}>
              {t(`theme.${name}` as Key)}
            </button>
          ))}
        </div>
      </div>
      <div class="plain" role="group" aria-label={t('nav.language')}>
        <span class="legend">{t('nav.language')}</span>
        <div class="row">
          {(['es', 'en'] as const).map((name) => (
            <button key={name} class="chip" type="button" lang={name} aria-pressed={language.value === name} onClick={() => setLanguage(name)}>
              {name === 'es' ? 'Español' : 'English'}
            </button>
          ))}
        </div>
      </div>
    </section>
  );
}

export function Account() {
  const deleting = useSignal(false);
  const action = useAction();
  useEffect(() => {
    void refreshUser().catch(() => undefined);
  }, []);
  const user = session.value?.user;
  if (!user) return null;
  return (
    <div class="page narrow">
      <h1>{t('account.title')}</h1>
      <Profile user={user} />
      <Preferences user={user} />
      <Devices user={user} />
      <Looks />
      <div class="row apart">
        <button class="button" type="button" onClick={() => void signOut().then(() => go('/'))}>
          {t('account.sign-out')}
        </button>
        <button class="button quiet danger" type="button" onClick={() => (deleting.value = true)}>
          {t('account.delete')}
        </button>
      </div>
      {deleting.value && (
        <Dialog title={t('account.delete')} onClose={() => (deleting.value = false)}>
          <p>{t('account.delete.sure')}</p>
          <Refused error={action.error} />
          <button
            class="button danger block"
            type="button"
            disabled={action.busy}
            onClick={() =>
              action.run(async () => {
                await call('DELETE', '/me');
                await signOut();
                go('/');
              })
            }
          >
            {t('account.delete')}
          </button>
        </Dialog>
      )}
    </div>
  );
}
