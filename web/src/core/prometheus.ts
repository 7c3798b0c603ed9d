// Reads the server's numbers in Prometheus' text form, and what they did between two readings.

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

export function parse(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) continue;
    const match = LINE.exec(line);
    if (!match) continue;
    const [, name = '', labels = '', value = ''] = match;
    samples.push({
      name,
      labels: Object.fromEntries([...labels.matchAll(LABEL)].map((label) => [label[1] ?? '', label[2] ?? ''])),
      value: Number(value.replace('+Inf', 'Infinity')),
    });
  }
  return samples;
}

/** One reading of all numbers. */
export class Reading {
  constructor(
    readonly samples: Sample[],
    /** Milliseconds of this device. */
    readonly at: number,
  ) {}

  /** The sum over all series of a name (with these labels). */
  sum(name: string, labels: Record<string, string> = {}): number {
    return this.of(name, labels).reduce((total, sample) => total + sample.value, 0);
  }

  of(name: string, labels: Record<string, string> = {}): Sample[] {
    return this.samples.filter((sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value));
  }
}

/** Growth per second between two readings; a restart counts from zero. */
export function rate(before: Reading | null, after: Reading, name: string, labels: Record<string, string> = {}): number {
  if (!before || after.at <= before.at) return 0;
  const grown = after.sum(name, labels) - before.sum(name, labels);
  return (Math.max(0, grown) * 1000) / (after.at - before.at);
}

/** A quantile of a histogram's observations between two readings, by its upper bounds; null without any. */
export function quantile(before: Reading | null, after: Reading, name: string, q: number): number | null {
  const bounds = after
    .of(`${name}_bucket`)
    .map((sample) => {
      const le = sample.labels.le ?? '';
      return { le: Number(le.replace('+Inf', 'Infinity')), count: sample.value - (before?.sum(`${name}_bucket`, { le }) ?? 0) };
    })
    .sort((a, b) => a.le - b.le);
  const total = bounds.at(-1)?.count ?? 0;
  if (total <= 0) return null;
  return bounds.find((bound) => bound.count >= q * total)?.le ?? null;
}
