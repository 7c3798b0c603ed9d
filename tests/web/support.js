// The ground under the browser tests: the real binary on a database of its own, Debian's Chromium, and short words for
// what a test does with them.
import assert from 'node:assert/strict';
import { spawn, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, openSync, closeSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AxeBuilder } from '@axe-core/playwright';
import { chromium } from 'playwright';
import { freePort } from '../sdk/js/lib/server.js';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const binary = process.env.FLASH_TEST_BIN ?? join(root, 'target/release/flash-promos');
/** The centre of Medellín, where the tests live. */
export const CENTRE = { lat: 6.2442, lng: -75.5812 };
/** Patience with a busy machine, never a thing that is measured. */
export const PATIENCE_MS = 60_000;

export async function until(what, check) {
  const end = Date.now() + PATIENCE_MS;
  let last;
  while (Date.now() < end) {
    try {
      last = await check();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`did not come true: ${what} (${last})`);
}

/** A server of one's own, which can be killed and started again on the same port and database. */
export class Server {
  static async start(settings = {}) {
    const server = new Server();
    server.directory = mkdtempSync(join(tmpdir(), 'flash-web-'));
    server.port = await freePort();
    server.url = `http://127.0.0.1:${server.port}`;
    server.environment = {
      PATH: process.env.PATH,
      FLASH_BIND: `127.0.0.1:${server.port}`,
      DATABASE_URL: `sqlite://${join(server.directory, 'flash.db')}`,
      FLASH_WORKERS: '2',
      ...settings,
    };
    await server.run();
    return server;
  }

  async run() {
    const log = openSync(join(this.directory, 'log'), 'a');
    this.process = spawn(binary, ['serve'], { env: this.environment, cwd: this.directory, stdio: ['ignore', log, log] });
    closeSync(log);
    await until('the server is ready', async () => (await fetch(`${this.url}/readyz`)).ok);
  }

  /** `kill -9`. */
  async kill() {
    const gone = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await gone;
  }

  async stop() {
    if (this.process.exitCode === null && this.process.signalCode === null) await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Runs a command of the binary beside the server; fails where it does. */
  command(words, input = '') {
    return execFileSync(binary, words, { env: this.environment, cwd: this.directory, encoding: 'utf8', input });
  }

  async call(method, path, { token, body, headers = {} } = {}) {
    const response = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(token ? { Authorization: `Bearer ${token}` } : {}),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : undefined;
  }

  async register(role, name) {
    const email = `${name.toLowerCase().replace(/\W+/g, '.')}.${Math.random().toString(36).slice(2, 8)}@example.com`;
    const password = 'a good password';
    const signed = await this.call('POST', '/auth/register', { body: { email, password, display_name: name, role } });
    return { email, password, token: signed.access_token, id: signed.user.id };
  }

  async store(merchant, name, location = CENTRE) {
    const body = { name, address: 'Carrera 49 #52-20, Medellín', location, timezone: 'America/Bogota' };
    return this.call('POST', '/stores', { token: merchant.token, body });
  }

  async product(merchant, store, name, amount = 8_000_000, more = {}) {
    const body = { name, description: `${name}, new`, price: { amount, currency: 'COP' }, ...more };
    return this.call('POST', `/stores/${store.id}/products`, { token: merchant.token, body });
  }

  async promotion(merchant, store, product, terms = {}) {
    const body = {
      product_id: product.id,
      price: { amount: 4_000_000, currency: 'COP' },
      stock: 10,
      ends_at: new Date(Date.now() + 3_600_000).toISOString(),
      ...terms,
    };
    return this.call('POST', `/stores/${store.id}/promotions`, { token: merchant.token, body });
  }

  /** A merchant with a store, a product and a promotion, in one go. */
  async deal(name, terms = {}, location = CENTRE) {
    const merchant = await this.register('merchant', `Merchant of ${name}`);
    const store = await this.store(merchant, `Store of ${name}`, location);
    const product = await this.product(merchant, store, name);
    return { merchant, store, product, promotion: await this.promotion(merchant, store, product, terms) };
  }

  claim(shopper, promotion, quantity = 1) {
    return this.call('POST', `/promotions/${promotion.id}/claims`, {
      token: shopper.token,
      body: { quantity, location: CENTRE },
      headers: { 'Idempotency-Key': Math.random().toString(36).slice(2) },
    });
  }
}

/** Chromium as Debian packages it; nothing is downloaded. */
export function browser({ webgl = true } = {}) {
  // Drawing in software costs seconds on a small machine: tests that are not about the map go without.
  const drawing = webgl ? ['--use-angle=swiftshader', '--enable-unsafe-swiftshader'] : ['--disable-3d-apis'];
  return chromium.launch({
    executablePath: process.env.FLASH_TEST_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage', ...drawing],
  });
}

/** A directory that Vite built into: with it the app comes from there instead of from the binary, so that a change of the app
 *  is looked at without building the binary. Headers are the binary's. */
const dist = process.env.FLASH_TEST_DIST && resolve(process.env.FLASH_TEST_DIST);
const KINDS = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.css': 'text/css', '.json': 'application/json', '.woff2': 'font/woff2' };

async function serveDist(context, server) {
  // Chromium takes an intercepted document for one from elsewhere, which may not ask a local server.
  await context.grantPermissions(['geolocation', 'local-network-access']);
  const mine = (url) => url.origin === server.url && !/^\/(api|docs|config\.json|metrics|readyz|openapi)/.test(url.pathname);
  await context.route(mine, async (route) => {
    const { pathname } = new URL(route.request().url());
    const path = join(dist, pathname);
    if (extname(pathname) && existsSync(path)) return route.fulfill({ path, contentType: KINDS[extname(path)] });
    const response = await route.fetch();
    if (!response.headers()['content-type']?.startsWith('text/html')) return route.fulfill({ response });
    const { 'content-encoding': _, 'content-length': __, ...headers } = response.headers();
    return route.fulfill({ status: response.status(), headers, path: join(dist, 'index.html') });
  });
}

/** A person's own browser profile, at a place; every error of the page and every breach of its policy is kept. */
export async function person(chrome, server, options = {}) {
  const { place = CENTRE, ...more } = options;
  const context = await chrome.newContext({
    baseURL: server.url,
    viewport: { width: 1280, height: 820 },
    locale: 'en-US',
    timezoneId: 'America/Bogota',
    geolocation: { latitude: place.lat, longitude: place.lng },
    permissions: ['geolocation'],
    ...more,
  });
  context.setDefaultTimeout(PATIENCE_MS);
  if (dist) await serveDist(context, server);
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    const text = message.text();
    if (message.type() === 'error' && /Content Security Policy|Refused to/.test(text)) errors.push(text);
  });
  return { context, page, errors };
}

/** Signs in by the form. */
export async function signIn(page, { email, password }) {
  await page.goto('/sign-in');
  await page.locator('input[name=email]').fill(email);
  await page.locator('input[name=password]').fill(password);
  await page.locator('form button[type=submit]').click();
  await page.locator('a[href="/account"]').waitFor();
}

/** Waits until the page shows a text (or a pattern) there. */
export async function shows(locator, pattern) {
  return until(`${locator} shows ${pattern}`, async () => {
    const text = (await locator.textContent({ timeout: 1000 })) ?? '';
    return pattern instanceof RegExp ? pattern.test(text) && text : text.includes(pattern) && text;
  });
}

export const card = (page, promotion) => page.locator(`[data-testid=deal][data-id="${promotion.id}"]`);
export const isLive = (page) => shows(page.getByTestId('connection'), /Live|En vivo/);

/** No violation of WCAG 2.2 A and AA on the page as it is now. */
export async function accessible(page, what) {
  // What is still fading in has other colours than it will have.
  await page.evaluate(() => Promise.allSettled(document.getAnimations().filter((one) => one.effect?.getTiming().iterations !== Infinity).map((one) => one.finished)));
  const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']).analyze();
  const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target} ${node.failureSummary}`).join(' | ')}`);
  assert.deepEqual(told, [], what);
}
