// At the counter: a shopper's code, typed or scanned where the browser can read QR codes.
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { call } from '../../core/api';
import { promotionOf } from '../../core/claims';
import type { Claim, Store } from '../../core/types';
import { Icon } from '../../ui/icons';
import { Field, fieldErrors, Refused, useAction } from '../../ui/kit';
import { m } from './words';

interface Detector {
  detect(source: HTMLVideoElement): Promise<{ rawValue: string }[]>;
}
declare const BarcodeDetector: undefined | (new (options: { formats: string[] }) => Detector);

const LOOK_MS = 250;

function Camera({ onCode, onFail }: { onCode: (code: string) => void; onFail: () => void }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    let stopped = false;
    let stream: MediaStream | null = null;
    const look = async (detector: Detector) => {
      if (stopped || !video.current) return;
      const [found] = await detector.detect(video.current).catch(() => []);
      if (stopped) return;
      if (found) onCode(found.rawValue);
      else setTimeout(() => void look(detector), LOOK_MS);
    };
    navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } }).then(
      async (opened) => {
        stream = opened;
        if (stopped || !video.current || typeof BarcodeDetector === 'undefined') return opened.getTracks().forEach((track) => track.stop());
        video.current.srcObject = opened;
        await video.current.play();
        void look(new BarcodeDetector({ formats: ['qr_code'] }));
      },
      () => !stopped && onFail(),
    );
    return () => {
      stopped = true;
      stream?.getTracks().forEach((track) => track.stop());
    };
  }, []);
  return <video ref={video} class="video" muted playsInline />;
}

export function Redeem({ store }: { store: Store }) {
  const code = useSignal('');
  const scanning = useSignal(false);
  const noCamera = useSignal(false);
  const done = useSignal<{ units: number; name: string } | null>(null);
  const action = useAction();
  const canScan = typeof BarcodeDetector !== 'undefined' && navigator.mediaDevices !== undefined;
  const redeem = (text: string) =>
    action.run(async () => {
      done.value = null;
      const claim = await call<Claim>('POST', `/stores/${store.id}/redemptions`, { code: text.trim() });
      code.value = '';
      const promotion = await promotionOf(claim.promotion_id).catch(() => null);
      done.value = { units: claim.quantity, name: promotion?.product_name ?? '' };
    });
  return (
    <section class="card padded stack redeem">
      <h2>{m('redeem.title')}</h2>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          redeem(code.value);
        }}
      >
        <Field
          label={m('redeem.code')}
          name="code"
          required
          autocomplete="off"
          autocapitalize="characters"
          spellcheck={false}
          value={code.value}
          onInput={(event) => (code.value = event.currentTarget.value)}
          error={fieldErrors(action.error)['/code']}
        />
        <div class="row">
          <button class="button primary big grow" type="submit" disabled={action.busy}>
            <Icon name="check" />
            {m('redeem.submit')}
          </button>
          {canScan && (
            <button class="button big" type="button" aria-pressed={scanning.value} onClick={() => (scanning.value = !scanning.value)}>
              <Icon name="camera" />
              {m(scanning.value ? 'redeem.stop' : 'redeem.camera')}
            </button>
          )}
        </div>
      </form>
      {scanning.value && (
        <Camera
          onCode={(text) => {
            scanning.value = false;
            code.value = text;
            redeem(text);
          }}
          onFail={() => {
            scanning.value = false;
            noCamera.value = true;
          }}
        />
      )}
      {noCamera.value && <p class="notice">{m('redeem.no-camera')}</p>}
      <Refused error={action.error} />
      {done.value && (
        <p class="notice good" role="status" data-testid="redeemed">
          {m('redeem.done', done.value)}
        </p>
      )}
    </section>
  );
}
