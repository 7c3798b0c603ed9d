// `make bench-web`: how responsive the page stays with DEALS deals in view of which each gets up to ten stock updates a
// second. The real server, the real socket, Chromium; claims over HTTP are what changes the stock. Prints what it measured:
// updates that arrived, long tasks of the page (over 50 ms, over 100 ms), frames per second, and bytes of the first load.
import { Agent, request } from 'node:http';
import { browser, CENTRE, isLive, person, Server } from './support.js';

const DEALS = Number(process.env.DEALS ?? 500);
const SECONDS = Number(process.env.SECONDS ?? 20);
const PER_SECOND = Number(process.env.PER_SECOND ?? 10);
const CONNECTIONS = 48;

const server = await Server.start({ FLASH_BENCH: '1' });
// WEBGL=0: without the map, whose drawing in software (no graphics card) takes the cores from everything else.
const webgl = process.env.WEBGL !== '0';
const chrome = await browser({ webgl });
try {
  await run();
} finally {
  await chrome.close();
  await server.stop();
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

/** Claims round robin at DEALS × PER_SECOND a second, or as fast as the machine can; returns how many were accepted. */
async function drive(promotions, tokens, milliseconds) {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const start = Date.now();
  let next = 0;
  let accepted = 0;
  const one = () =>
    new Promise((done) => {
      const number = next++;
      const body = '{"quantity":1}';
      const call = request(
        `${server.url}/api/v1/promotions/${promotions[number % promotions.length]}/claims`,
        {
          method: 'POST',
          agent,
          headers: {
            'Content-Type': 'application/json',
            'Content-Length': body.length,
            Authorization: `Bearer ${tokens[number % tokens.length]}`,
            'Idempotency-Key': `bench-${number}`,
          },
        },
        (response) => {
          if (response.statusCode === 201) accepted += 1;
          response.resume().on('end', done);
        },
      );
      call.on('error', done).end(body);
    });
  const lane = async () => {
    while (Date.now() - start < milliseconds) {
      const due = ((Date.now() - start) / 1000) * promotions.length * PER_SECOND;
      if (next < due) await one();
      else await new Promise((done) => setTimeout(done, 2));
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, lane));
  agent.destroy();
  return accepted;
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
  const accepted = await drive(promotions, tokens, SECONDS * 1000);
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
    bytes_until_first_deal: first,
    bytes_with_map: bytes,
  };
  console.log(JSON.stringify(report, null, 2));
}
