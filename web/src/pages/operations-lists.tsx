// The operations page's tables: the last run of each job, people and stores, page by page.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { get } from '../core/api';
import { count, dateTime, time } from '../core/format';
import type { Page, Role } from '../core/types';
import { t } from '../i18n';
import { Refused } from '../ui/kit';
import { o } from './operations-words';

const EVERY_MS = 15_000;
/** People or stores at a time. */
const PAGE = 50;

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
  role: Role;
  created_at: string;
}

interface ShownStore {
  id: string;
  name: string;
  address: string;
  owner: { display_name?: string };
  created_at: string;
}

export function milliseconds(value: number | null): string {
  if (value === null) return '—';
  return `${Number.isFinite(value) ? count(Math.round(value * 10) / 10) : '>'} ms`;
}

export function Table({ title, head, rows, more }: { title: string; head: string[]; rows: (string | number)[][]; more?: (() => void) | undefined }) {
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
      {more && (
        <button class="button small" type="button" aria-label={`${t('common.more')}: ${title}`} onClick={more}>
          {t('common.more')}
        </button>
      )}
    </section>
  );
}

/** The last run of each job. */
function lastRuns(runs: JobRun[]): JobRun[] {
  const last = new Map<string, JobRun>();
  for (const run of runs) if ((last.get(run.name)?.started_at ?? '') < run.started_at) last.set(run.name, run);
  return [...last.values()].sort((a, b) => a.name.localeCompare(b.name));
}

type Job = 'check' | 'cleanup' | 'notifications';
/** What the jobs say they did: sentences of the server with their numbers, by the job. */
const SAYS: Record<Job, RegExp> = {
  check: /^(\d+) promotions got an owner, (\d+) occurrences of series were made$/,
  cleanup: /^(\d+) key uses, (\d+) refresh families, (\d+) notices, (\d+) webhook messages and (\d+) job results were forgotten$/,
  notifications: /^(\d+) ends are warned of, (\d+) saved places got their cells$/,
};

/** A job's result in the reader's language; a sentence that is newer than this app, or an error, as the server says it. */
export function didWords({ name, detail }: { name: string; detail: string }): string {
  const numbers = SAYS[name as Job]?.exec(detail)?.slice(1);
  return numbers ? o(`did.${name as Job}`, Object.fromEntries(numbers.map((one, index) => [index, count(Number(one))]))) : detail;
}

const jobName = (name: string) => (name in SAYS ? o(`job.${name as Job}`) : name);

export function Jobs() {
  const runs = useSignal<JobRun[]>([]);
  useEffect(() => {
    const load = () => void get<Page<JobRun>>('/admin/jobs?limit=100').then((page) => (runs.value = page.items), () => undefined);
    load();
    const timer = setInterval(() => !document.hidden && load(), EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  const rows = lastRuns(runs.value).map((run) => [
    jobName(run.name),
    time(run.started_at),
    milliseconds(Date.parse(run.finished_at) - Date.parse(run.started_at)),
    `${o(run.ok ? 'good' : 'bad')}${run.detail ? ` · ${didWords(run)}` : ''}`,
  ]);
  return <Table title={o('jobs')} head={[o('job'), o('when'), o('took'), o('result')]} rows={rows} />;
}

/** A list of the server's, a page at a time. */
function usePages<T>(path: string): { items: T[]; failure: unknown; more: (() => void) | undefined } {
  const items = useSignal<T[]>([]);
  const cursor = useSignal<string | null>(null);
  const failure = useSignal<unknown>(null);
  const load = (from: string | null) => {
    // Asked for once, however often it is pressed.
    cursor.value = null;
    void get<Page<T>>(`${path}?limit=${PAGE}${from ? `&cursor=${encodeURIComponent(from)}` : ''}`).then(
      (page) => {
        items.value = from ? [...items.value, ...page.items] : page.items;
        [cursor.value, failure.value] = [page.next_cursor, null];
      },
      (error) => ([cursor.value, failure.value] = [from, error]),
    );
  };
  useEffect(() => load(null), [path]);
  const next = cursor.value;
  return { items: items.value, failure: failure.value, more: next ? () => load(next) : undefined };
}

const heading = (name: string, { items, more }: { items: unknown[]; more: unknown }) => `${name} (${more ? o('shown', { n: count(items.length) }) : count(items.length)})`;

export function People() {
  const found = usePages<Person>('/admin/users');
  const rows = found.items.map((one) => [one.display_name, o(`role.${one.role}`), dateTime(one.created_at)]);
  return (
    <>
      <Refused error={found.failure} />
      <Table title={heading(o('people'), found)} head={[o('person'), o('role'), o('since')]} rows={rows} more={found.more} />
    </>
  );
}

export function Stores() {
  const found = usePages<ShownStore>('/admin/stores');
  const rows = found.items.map((one) => [one.name, one.owner.display_name ?? '—', one.address, dateTime(one.created_at)]);
  return (
    <>
      <Refused error={found.failure} />
      <Table title={heading(o('stores'), found)} head={[o('person'), o('owner'), o('address'), o('since')]} rows={rows} more={found.more} />
    </>
  );
}
