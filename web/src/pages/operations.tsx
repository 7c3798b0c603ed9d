// What an admin sees of the server: health, load, commits, jobs, people. Read from /metrics, /readyz and /admin.
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { all, get } from '../core/api';
import { compact, count, dateTime, time } from '../core/format';
import { quantile, parse, rate, Reading } from '../core/prometheus';
import { words } from '../i18n/words';
import { Plot, type Series } from '../ui/plot';
import '../styles/console.css';

const EVERY_MS = 2000;
const SLOW_EVERY_MS = 15_000;
const POINTS_MAX = 300;

const o = words({
  title: ['Operations', 'Operación'],
  ready: ['Ready', 'Lista'],
  'not-ready': ['Not ready', 'No lista'],
  unreachable: ['Not reachable', 'No responde'],
  sessions: ['Live sessions', 'Sesiones en vivo'],
  owners: ['Promotions in memory', 'Promociones en memoria'],
  frames: ['Frames / s', 'Tramas / s'],
  conflated: ['Conflated / s', 'Unidas / s'],
  requests: ['Answers / s', 'Respuestas / s'],
  errors: ['Errors (5xx)', 'Errores (5xx)'],
  claims: ['Claims / s', 'Reservas / s'],
  refused: ['Refused / s', 'Rechazadas / s'],
  latency: ['Claim p99', 'Reserva p99'],
  batch: ['Claims per commit', 'Reservas por commit'],
  commit: ['Commit time', 'Tiempo de commit'],
  failed: ['Commits failed or unknown', 'Commits fallidos o inciertos'],
  reloads: ['Reloads', 'Recargas'],
  'chart.claims': ['Claims per second', 'Reservas por segundo'],
  'chart.frames': ['Frames per second', 'Tramas por segundo'],
  workers: ['By worker', 'Por hilo'],
  worker: ['Worker', 'Hilo'],
  mailbox: ['Waiting in its mailbox', 'Esperan en su buzón'],
  depth: ['Mailbox depth p99', 'Buzón p99'],
  lag: ['Delivery p99', 'Entrega p99'],
  jobs: ['Jobs', 'Tareas'],
  job: ['Job', 'Tarea'],
  when: ['When', 'Cuándo'],
  took: ['Took', 'Duró'],
  result: ['Result', 'Resultado'],
  good: ['Done', 'Hecha'],
  bad: ['Failed', 'Falló'],
  people: ['People', 'Personas'],
  person: ['Name', 'Nombre'],
  stores: ['Stores', 'Tiendas'],
  owner: ['Owner', 'Dueño'],
  address: ['Address', 'Dirección'],
  role: ['Role', 'Rol'],
  since: ['Since', 'Desde'],
  numbers: ['All numbers', 'Todos los números'],
  none: ['Nothing yet.', 'Nada todavía.'],
});

interface JobRun {
  id: string;
  name: string;
  started_at: string;
  finished_at: string;
  ok: boolean;
  detail: string;
}

interface Person {
  id: string;
  display_name: string;
  role: string;
  created_at: string;
}

interface ShownStore {
  id: string;
  name: string;
  address: string;
  owner: { display_name?: string };
  created_at: string;
}

function keep(series: Series, x: number, y: number): void {
  series.x.push(x);
  series.y.push(y);
  if (series.x.length > POINTS_MAX) {
    series.x.shift();
    series.y.shift();
  }
}

function milliseconds(value: number | null): string {
  if (value === null) return '—';
  return `${Number.isFinite(value) ? count(Math.round(value * 10) / 10) : '>'} ms`;
}

function Stat({ label, value, tone, id }: { label: string; value: string; tone?: string | undefined; id?: string }) {
  return (
    <div class="card stat" data-tone={tone}>
      <dt>{label}</dt>
      <dd data-testid={id}>{value}</dd>
    </div>
  );
}

function Table({ title, head, rows }: { title: string; head: string[]; rows: (string | number)[][] }) {
  return (
    <section class="card padded">
      <h2>{title}</h2>
      {rows.length === 0 ? (
        <p class="muted">{o('none')}</p>
      ) : (
        <div class="tablewrap" tabIndex={0} role="region" aria-label={title}>
          <table>
            <thead>
              <tr>
                {head.map((name) => (
                  <th scope="col" key={name}>
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((row, index) => (
                <tr key={index}>
                  {row.map((cell, column) => (
                    <td key={column}>{cell}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
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

/** The last run of each job. */
function lastRuns(runs: JobRun[]): JobRun[] {
  const last = new Map<string, JobRun>();
  for (const run of runs) if ((last.get(run.name)?.started_at ?? '') < run.started_at) last.set(run.name, run);
  return [...last.values()].sort((a, b) => a.name.localeCompare(b.name));
}

export function Operations() {
  const health = useSignal<'ready' | 'not-ready' | 'unreachable'>('ready');
  const now = useSignal<Reading | null>(null);
  const before = useSignal<Reading | null>(null);
  const jobs = useSignal<JobRun[]>([]);
  const people = useSignal<Person[]>([]);
  const stores = useSignal<ShownStore[]>([]);
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
    const slow = () => {
      void get<{ items: JobRun[] }>('/admin/jobs?limit=100').then((page) => (jobs.value = page.items), () => undefined);
      void all<Person>('/admin/users', 200).then((found) => (people.value = found), () => undefined);
      void all<ShownStore>('/admin/stores', 200).then((found) => (stores.value = found), () => undefined);
    };
    void read();
    slow();
    const timers = [setInterval(() => !document.hidden && void read(), EVERY_MS), setInterval(slow, SLOW_EVERY_MS)];
    return () => timers.forEach(clearInterval);
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
      <dl class="tiles">
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
      <div class="charts">
        <Table
          title={o('jobs')}
          head={[o('job'), o('when'), o('took'), o('result')]}
          rows={lastRuns(jobs.value).map((run) => [
            run.name,
            time(run.started_at),
            milliseconds(Date.parse(run.finished_at) - Date.parse(run.started_at)),
            `${o(run.ok ? 'good' : 'bad')}${run.detail ? ` · ${run.detail}` : ''}`,
          ])}
        />
        <Table title={`${o('people')} (${count(people.value.length)})`} head={[o('person'), o('role'), o('since')]} rows={people.value.slice(0, 50).map((one) => [one.display_name, one.role, dateTime(one.created_at)])} />
      </div>
      <Table
        title={`${o('stores')} (${count(stores.value.length)})`}
        head={[o('person'), o('owner'), o('address'), o('since')]}
        rows={stores.value.slice(0, 50).map((one) => [one.name, one.owner.display_name ?? '—', one.address, dateTime(one.created_at)])}
      />
      <details class="card padded">
        <summary>{o('numbers')}</summary>
        <table>
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
