// `make bench-web`: how responsive the page stays with DEALS deals in view of which each gets up to ten stock updates a
// second. The real server, the real socket, Chromium; claims over HTTP are what changes the stock. Prints what it measured:
// updates that arrived, long tasks of the page (over 50 ms, over 100 ms), frames per second, and bytes of the first load.
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { browser, CENTRE, isLive, person, Server } from './support.js';

const DEALS = Number(process.env.DEALS ?? 500);
const SECONDS = Number(process.env.SECONDS ?? 20);
const PER_SECOND = Number(process.env.PER_SECOND ?? 10);
// A claim is answered when it is durable, some 20 ms on a busy disk: fewer at once could not be DEALS × PER_SECOND.
const CONNECTIONS = 256;

const server = await Server.start({ FLASH_BENCH: '1' });
// WEBGL=0: without the map, whose drawing in software (no graphics card) takes the cores from everything else.
const webgl = process.env.WEBGL !== '0';
const chrome = await browser({ webgl });
/** Seconds of processor time so far, by who spent them. */
async function spent(devtools) {
  const { processInfo } = await devtools.send('SystemInfo.getProcessInfo');
  const of = (type) => processInfo.filter((one) => one.type === type).reduce((sum, one) => sum + one.cpuTime, 0);
  // Fields 14 and 15 of stat, in hundredths; the name before them may contain blanks, but ends with the last bracket.
  const stat = readFileSync(`/proc/${server.process.pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
  const { user, system } = process.cpuUsage();
  return {
    page: of('renderer'),
    drawing: of('GPU'),
    browser: of('browser') + of('utility'),
    server: (Number(stat[11]) + Number(stat[12])) / 100,
    driver: (user + system) / 1e6,
  };
}

/** How many transactions the server committed so far, and the seconds that they took. */
async function committed() {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const of = (name) => Number(new RegExp(`^flash_commit_duration_seconds_${name} (\\S+)`, 'm').exec(text)[1]);
  return { count: of('count'), seconds: of('sum') };
}

async function launchAll() {
  const merchant = await server.register('merchant', 'Bench');
  const promotions = [];
  const side = Math.ceil(Math.sqrt(DEALS));
  for (let index = 0; index < DEALS; index += 1) {
    const place = { lat: CENTRE.lat + ((index % side) - side / 2) * 0.0016, lng: CENTRE.lng + (Math.floor(index / side) - side / 2) * 0.0016 };
    const store = await server.store(merchant, `Shop ${index}`, place);
    const product = await server.product(merchant, store, `Thing ${index}`);
    const terms = { stock: 1_000_000, per_shopper_limit: null, claim_within_m: null, hold_seconds: 0 };
    promotions.push((await server.promotion(merchant, store, product, terms)).id);
  }
  return promotions;
}

/**
 * A connection that claims one unit after the other, as bytes: Node's own client would cost more than the server. `next` says
 * what to ask for, or nothing while nothing is due.
 */
class Lane {
  constructor(next) {
    this.next = next;
    this.accepted = 0;
    this.heard = '';
    this.socket = connect(server.port, '127.0.0.1').setNoDelay(true);
    this.socket.on('data', (bytes) => this.hear(bytes.toString('latin1')));
    this.socket.on('error', (error) => (this.failure = error));
    this.send();
  }

  send() {
    const request = this.next();
    if (request) this.socket.write(request);
    else this.timer = setTimeout(() => this.send(), 5);
  }

  hear(text) {
    this.heard += text;
    const head = this.heard.indexOf('\r\n\r\n');
    if (head < 0) return;
    const length = Number(/content-length: (\d+)/i.exec(this.heard)[1]);
    if (this.heard.length < head + 4 + length) return;
    if (this.heard.startsWith('HTTP/1.1 201')) this.accepted += 1;
    this.heard = '';
    this.send();
  }

  close() {
    clearTimeout(this.timer);
    this.socket.destroy();
    if (this.failure) throw this.failure;
  }
}

/** Claims round robin at DEALS × PER_SECOND a second, or as fast as the machine can; returns how many were accepted. */
async function drive(promotions, tokens, milliseconds) {
  const start = Date.now();
  const drives = start.toString(36);
  const body = '{"quantity":1}';
  let number = 0;
  const next = () => {
    if (number >= ((Date.now() - start) / 1000) * promotions.length * PER_SECOND) return null;
    const n = number++;
    return `POST /api/v1/promotions/${promotions[n % promotions.length]}/claims HTTP/1.1\r\nHost: ${server.url.slice(7)}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nAuthorization: Bearer ${tokens[n % tokens.length]}\r\nIdempotency-Key: ${drives}-${n}\r\n\r\n${body}`;
  };
  const lanes = Array.from({ length: CONNECTIONS }, () => new Lane(next));
  await new Promise((done) => setTimeout(done, milliseconds));
  lanes.forEach((lane) => lane.close());
  return lanes.reduce((sum, lane) => sum + lane.accepted, 0);
}

async function run() {
  const promotions = await launchAll();
  const { tokens } = await server.call('POST', '/bench/shoppers', { body: { count: 200 } });
  const { page, context } = await person(chrome, server);
  await context.addInitScript(() => {
    window.bench = { tasks: [], frames: 0, heard: 0 };
    new PerformanceObserver((list) => window.bench.tasks.push(...list.getEntries().map((entry) => entry.duration))).observe({ type: 'longtask', buffered: true });
    const frame = () => {
      window.bench.frames += 1;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    const Native = WebSocket;
    window.WebSocket = class extends Native {
      constructor(...words) {
        super(...words);
        this.addEventListener('message', ({ data }) => (window.bench.heard += data.split('"type":"stock"').length - 1));
      }
    };
  });
  const devtools = await chrome.newBrowserCDPSession();
  let bytes = 0;
  const session = await context.newCDPSession(page);
  await session.send('Network.enable');
  session.on('Network.loadingFinished', ({ encodedDataLength }) => (bytes += encodedDataLength));
  await page.goto('/');
  await isLive(page);
  await page.getByTestId('deal').first().waitFor();
  const first = bytes;
  if (webgl) await page.locator('[data-testid=map][data-drawn=true]').waitFor();
  await page.waitForFunction((count) => document.querySelector('[data-testid=count]')?.textContent.startsWith(String(count)), DEALS);
  await drive(promotions, tokens, 2000);
  await page.evaluate(() => Object.assign(window.bench, { tasks: [], frames: 0, heard: 0 }));
  const commits = await committed();
  const before = await spent(devtools);
  const accepted = await drive(promotions, tokens, SECONDS * 1000);
  const after = await spent(devtools);
  const later = await committed();
  const cores = Object.fromEntries(Object.keys(after).map((who) => [who, Number(((after[who] - before[who]) / SECONDS).toFixed(2))]));
  const { tasks, frames, heard } = await page.evaluate(() => window.bench);
  const report = {
    deals: promotions.length,
    webgl,
    seconds: SECONDS,
    claims_per_second: Math.round(accepted / SECONDS),
    updates_per_second: Math.round(heard / SECONDS),
    frames_per_second: Math.round(frames / SECONDS),
    long_tasks_over_50_ms: tasks.length,
    long_tasks_over_100_ms: tasks.filter((task) => task > 100).length,
    longest_task_ms: Math.round(Math.max(0, ...tasks)),
    commits_per_second: Math.round((later.count - commits.count) / SECONDS),
    commit_ms: Math.round(((later.seconds - commits.seconds) / (later.count - commits.count)) * 1000),
    cores_busy: cores,
    bytes_until_first_deal: first,
    bytes_with_map: bytes,
  };
  console.log(JSON.stringify(report, null, 2));
}

try {
  await run();
} finally {
  await chrome.close();
  await server.stop();
}
