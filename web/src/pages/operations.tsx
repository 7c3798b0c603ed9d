// What an admin sees of the server: health, load, commits, jobs, people. Read from /metrics, /readyz and /admin.
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { compact, count } from '../core/format';
import { quantile, parse, rate, Reading } from '../core/prometheus';
import { Plot, type Series } from '../ui/plot';
import { Jobs, milliseconds, People, Stores, Table } from './operations-lists';
import { o } from './operations-words';
import '../styles/console.css';

const EVERY_MS = 2000;
const POINTS_MAX = 300;

function keep(series: Series, x: number, y: number): void {
  series.x.push(x);
  series.y.push(y);
  if (series.x.length > POINTS_MAX) {
    series.x.shift();
    series.y.shift();
  }
}

function Stat({ label, value, tone, id }: { label: string; value: string; tone?: string | undefined; id?: string }) {
  return (
    <div class="card stat" data-tone={tone}>
      <dt>{label}</dt>
      <dd data-testid={id}>{value}</dd>
    </div>
  );
}

/** What each of the server's worker threads does. */
function byWorker(before: Reading | null, reading: Reading): (string | number)[][] {
  return reading.of('flash_worker_sessions').map(({ labels, value }) => {
    const worker = { worker: labels.worker ?? '' };
    const frames = rate(before, reading, 'flash_worker_frames_total', worker);
    return [worker.worker, count(value), compact(Math.round(frames * 10) / 10), count(reading.sum('flash_worker_inbox_waiting', worker))];
  });
}

export function Operations() {
  const health = useSignal<'ready' | 'not-ready' | 'unreachable'>('ready');
  const now = useSignal<Reading | null>(null);
  const before = useSignal<Reading | null>(null);
  const tick = useSignal(0);
  const { claims, frames } = useRef<{ claims: Series; frames: Series }>({ claims: { x: [], y: [] }, frames: { x: [], y: [] } }).current;
  useEffect(() => {
    const read = async () => {
      try {
        const [ready, metrics] = await Promise.all([fetch('/readyz'), fetch('/metrics')]);
        health.value = ready.ok ? 'ready' : 'not-ready';
        const reading = new Reading(parse(await metrics.text()), Date.now());
        before.value = now.peek();
        now.value = reading;
        if (before.peek()) {
          keep(claims, reading.at / 1000, rate(before.peek(), reading, 'flash_claims_total'));
          keep(frames, reading.at / 1000, rate(before.peek(), reading, 'flash_live_frames_total'));
          tick.value += 1;
        }
      } catch {
        health.value = 'unreachable';
      }
    };
    void read();
    const timer = setInterval(() => !document.hidden && void read(), EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  const reading = now.value;
  const last = before.value;
  if (!reading) return <div class="page" />;
  const per = (name: string, labels: Record<string, string> = {}) => compact(Math.round(rate(last, reading, name, labels) * 10) / 10);
  const commits = reading.sum('flash_commit_batches_total');
  const batches = last ? commits - last.sum('flash_commit_batches_total') : commits;
  const since = (name: string) => reading.sum(name) - (batches > 0 && last ? last.sum(name) : 0);
  const each = batches > 0 ? batches : commits;
  const failed = ['failed', 'unknown'].reduce((sum, kind) => sum + reading.sum(`flash_commits_${kind}_total`), 0);
  const errors = reading.sum('flash_http_responses_total', { class: '5xx' });
  const workers = byWorker(last, reading);
  const tail = (name: string) => quantile(last, reading, name, 0.99) ?? quantile(null, reading, name, 0.99);
  const depth = tail('flash_live_inbox_depth');
  const inMs = (name: string) => {
    const seconds = tail(name);
    return seconds === null ? null : seconds * 1000;
  };
  return (
    <div class="page" data-testid="operations">
      <div class="row apart">
        <h1>{o('title')}</h1>
        <span class={`badge ${health.value === 'ready' ? 'good' : 'bad'}`} data-testid="health" role="status">
          {o(health.value)}
        </span>
      </div>
      <dl class="tiles many">
        <Stat label={o('sessions')} value={count(reading.sum('flash_live_sessions'))} id="sessions" />
        <Stat label={o('owners')} value={count(reading.sum('flash_owners'))} />
        <Stat label={o('frames')} value={per('flash_live_frames_total')} />
        <Stat label={o('conflated')} value={per('flash_live_conflated_total')} />
        <Stat label={o('requests')} value={per('flash_http_responses_total')} />
        <Stat label={o('errors')} value={count(errors)} tone={errors > 0 ? 'flame' : undefined} />
        <Stat label={o('claims')} value={per('flash_claims_total', { outcome: 'accepted' })} tone="good" />
        <Stat label={o('refused')} value={per('flash_claims_total', { outcome: 'refused' })} />
        <Stat label={o('latency')} value={milliseconds(inMs('flash_claim_duration_seconds'))} />
        <Stat label={o('batch')} value={each > 0 ? count(Math.round((10 * since('flash_claims_written_total')) / each) / 10) : '—'} />
        <Stat label={o('commit')} value={milliseconds(each > 0 ? (since('flash_commit_duration_seconds_sum') / each) * 1000 : null)} />
        <Stat label={o('failed')} value={count(failed)} tone={failed > 0 ? 'flame' : undefined} />
        <Stat label={o('depth')} value={depth === null ? '—' : Number.isFinite(depth) ? `≤ ${count(depth)}` : '>'} />
        <Stat label={o('lag')} value={milliseconds(inMs('flash_live_delivery_lag_seconds'))} />
        <Stat label={o('reloads')} value={count(reading.sum('flash_reloads_total'))} />
      </dl>
      <div class="charts">
        <section class="card padded chart">
          <h2>{o('chart.claims')}</h2>
          <Plot series={claims} v={tick.value} about={o('chart.claims')} />
        </section>
        <section class="card padded chart">
          <h2>{o('chart.frames')}</h2>
          <Plot series={frames} v={tick.value} about={o('chart.frames')} />
        </section>
      </div>
      <Table title={o('workers')} head={[o('worker'), o('sessions'), o('frames'), o('mailbox')]} rows={workers} />
      <Jobs />
      <People />
      <Stores />
      <details class="card padded">
        <summary>{o('numbers')}</summary>
        <table class="numbers">
          <tbody>
            {reading.samples.map((sample, index) => (
              <tr key={index}>
                <th scope="row">
                  {sample.name}
                  {Object.entries(sample.labels).map(([key, value]) => ` ${key}=${value}`)}
                </th>
                <td>{count(sample.value)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </div>
  );
}
