// The code that a shopper shows at the store, to read and to scan.
import { useSignal } from '@preact/signals';
import { renderSVG } from 'uqr';
import type { Claim } from '../core/types';
import { t } from '../i18n';
import { Icon } from './icons';
import { useArrival } from './kit';

export function Code({ claim }: { claim: Claim }) {
  const copied = useSignal(false);
  const arrival = useArrival<HTMLSpanElement>();
  const code = claim.redemption_code;
  // An image, so that the drawing is data and never markup of this page.
  const picture = `data:image/svg+xml;utf8,${encodeURIComponent(renderSVG(code, { border: 0 }))}`;
  return (
    <div class="center" data-testid="confirmed">
      <span class="badge good" ref={arrival} tabIndex={-1}>
        <Icon name="check" size={14} />
        {t('claim.confirmed')}
      </span>
      <img class="qr" src={picture} alt={t('claim.qr', { code })} width={208} height={208} />
      <p class="vh">{t('claim.code')}</p>
      <p class="code" data-testid="code">
        {code}
      </p>
      <p class="muted">{t('claim.confirmed.lead')}</p>
      {navigator.clipboard && (
        <button
          class="button small"
          type="button"
          onClick={() => void navigator.clipboard.writeText(code).then(() => (copied.value = true), () => undefined)}
        >
          {t(copied.value ? 'common.copied' : 'common.copy')}
        </button>
      )}
    </div>
  );
}
