// Devices that are pushed to while the app is closed: registering one by its token, and removing it.
import { useSignal } from '@preact/signals';
import { devicesOf, PLATFORMS, register, remove, type Platform } from '../core/devices';
import { dateTime } from '../core/format';
import type { User } from '../core/types';
import { t } from '../i18n';
import { words } from '../i18n/words';
import { Icon } from '../ui/icons';
import { Field, fieldErrors, Refused, say, useAction } from '../ui/kit';

const d = words({
  title: ['Devices for pushes', 'Dispositivos para avisos'],
  lead: [
    'While this page is open, notices reach it by themselves. To be told when nothing is open, register the token of an app on your phone.',
    'Mientras esta página está abierta, los avisos llegan solos. Para enterarte con todo cerrado, registra el token de una app de tu teléfono.',
  ],
  browsers: [
    'Pushes go through Google’s and Apple’s services for apps. A browser’s own push is another protocol, which this server does not speak.',
    'Los avisos van por los servicios de Google y Apple para apps. El push propio de un navegador es otro protocolo, que este servidor no habla.',
  ],
  none: ['No device was registered from this browser.', 'Desde este navegador no se registró ningún dispositivo.'],
  here: ['Listed is what was registered from this browser. To remove another one, register its token here first.', 'Se muestra lo registrado desde este navegador. Para quitar otro, registra primero su token aquí.'],
  platform: ['Service', 'Servicio'],
  fcm: ['Android (FCM)', 'Android (FCM)'],
  apns: ['iPhone (APNs)', 'iPhone (APNs)'],
  apns_sandbox: ['iPhone, development (APNs sandbox)', 'iPhone, desarrollo (APNs sandbox)'],
  token: ['Token', 'Token'],
  'token.hint': ['As the app shows it. It is kept by the server and never shown again.', 'Como lo muestra la app. El servidor lo guarda y nunca lo vuelve a mostrar.'],
  add: ['Register device', 'Registrar dispositivo'],
  added: ['The device is registered.', 'El dispositivo quedó registrado.'],
  removed: ['The device is removed.', 'El dispositivo se quitó.'],
  ending: ['ends in {text}', 'termina en {text}'],
});

export function Devices({ user }: { user: User }) {
  const devices = useSignal(devicesOf(user.id));
  const adding = useAction();
  const removing = useAction();
  const token = useSignal('');
  const errors = fieldErrors(adding.error);
  const submit = (form: FormData) =>
    adding.run(async () => {
      devices.value = await register(user.id, String(form.get('platform')) as Platform, token.value.trim());
      token.value = '';
      say(d('added'));
    });
  return (
    <section class="card padded stack" data-testid="devices">
      <h2>{d('title')}</h2>
      <p class="muted small">{d('lead')}</p>
      {devices.value.length === 0 ? <p class="muted small">{d('none')}</p> : <p class="muted small">{d('here')}</p>}
      <ul class="stack tight">
        {devices.value.map((device) => (
          <li class="row apart" key={device.id} data-testid="device">
            <span class="grow">
              <strong class="block">{d(device.platform)}</strong>
              <span class="small muted block">
                <code>{d('ending', { text: device.ending })}</code> · {dateTime(device.created_at)}
              </span>
            </span>
            <button
              class="button small"
              type="button"
              disabled={removing.busy}
              aria-label={`${t('common.remove')}: ${d(device.platform)}, ${d('ending', { text: device.ending })}`}
              onClick={() =>
                removing.run(async () => {
                  devices.value = await remove(user.id, device.id);
                  say(d('removed'));
                })
              }
            >
              {t('common.remove')}
            </button>
          </li>
        ))}
      </ul>
      <Refused error={removing.error} />
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          submit(new FormData(event.currentTarget));
        }}
      >
        <Field label={d('platform')} name="platform" defaultValue="fcm" error={errors['/platform']}>
          {PLATFORMS.map((name) => (
            <option key={name} value={name}>
              {d(name)}
            </option>
          ))}
        </Field>
        <Field
          label={d('token')}
          name="token"
          required
          minLength={8}
          maxLength={4096}
          autocomplete="off"
          spellcheck={false}
          value={token.value}
          onInput={(event) => (token.value = event.currentTarget.value)}
          hint={d('token.hint')}
          error={errors['/token']}
        />
        <Refused error={adding.error} />
        <button class="button" type="submit" disabled={adding.busy}>
          <Icon name="bell" size={18} />
          {d('add')}
        </button>
      </form>
      <p class="muted small">{d('browsers')}</p>
    </section>
  );
}
