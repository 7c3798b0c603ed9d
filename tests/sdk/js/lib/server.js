// Starts, stops and restarts the real binary on an embedded database of its own, and speaks its HTTP
// interface. Knows nothing of the live protocol.

import { spawn } from 'node:child_process';
import { randomUUID, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const BINARY = resolve(
  process.env.FLASH_TEST_BIN ?? join(import.meta.dirname, '../../../../target/release/flash-promos'),
);
const SECRET = 'a-fixed-secret-of-the-test-suites-0123456789abcdef';
const START_MS_MAX = 20_000;
const STOP_MS_MAX = 15_000;

/** A free loopback port, so that a restarted server can be found at the same address. */
export async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** An instant `ms` from now as the interface writes it. */
export const inMs = (ms) => new Date(Date.now() + ms).toISOString();

/** Signs a token again with other claims: the suites know the secret, clients do not. */
export function forge(token, change) {
  const [header, payload] = token.split('.');
  const claims = { ...JSON.parse(Buffer.from(payload, 'base64url')), ...change };
  const signed = `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}

/** An HTTP answer: status, headers and the parsed body. */
export class Answer {
  constructor(status, headers, body) {
    Object.assign(this, { status, headers, body });
  }

  /** The body, if the status is the expected one. */
  expect(status) {
    if (this.status !== status) {
      throw new Error(`expected HTTP ${status}, got ${this.status}: ${JSON.stringify(this.body)}`);
    }
    return this.body;
  }
}

/** One running server. `env` adds settings to the suite's own. */
export class Server {
  static async start(env = {}) {
    const server = new Server();
    server.env = env;
    server.dir = mkdtempSync(join(tmpdir(), 'flash-sdk-js-'));
    server.port = await freePort();
    await server.run();
    return server;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  get liveUrl() {
    return `ws://127.0.0.1:${this.port}/api/v1/live`;
  }

  /** Starts the process and waits until it says that it is ready. */
  async run() {
    this.output = '';
    this.child = spawn(BINARY, ['serve'], {
      cwd: this.dir,
      env: {
        PATH: process.env.PATH,
        DATABASE_URL: `sqlite://${join(this.dir, 'flash.db')}`,
        FLASH_BENCH: '1',
        FLASH_BIND: `127.0.0.1:${this.port}`,
        FLASH_JWT_SECRET: SECRET,
        FLASH_LOG: 'warn',
        ...this.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.on('data', (chunk) => (this.output = (this.output + chunk).slice(-20_000)));
    }
    const child = this.child;
    this.exited = new Promise((done) => {
      child.once('exit', (code, signal) => done({ code, signal }));
      child.once('error', (error) => done({ error }));
    });
    const until = Date.now() + START_MS_MAX;
    let gone = null;
    this.exited.then((how) => (gone = how));
    while (Date.now() < until) {
      if (gone) throw new Error(`the server ended at start: ${JSON.stringify(gone)}\n${this.output}`);
      try {
        const answer = await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(2000) });
        await answer.arrayBuffer();
        if (answer.status === 200) return;
      } catch {
        // Not listening yet.
      }
      await sleep(25);
    }
    await this.stop('SIGKILL');
    throw new Error(`the server was not ready within ${START_MS_MAX} ms\n${this.output}`);
  }

  /** Sends the signal and waits for the end; gives the exit code and signal. */
  async stop(signal = 'SIGTERM') {
    const child = this.child;
    child.kill(signal);
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    const how = await this.exited;
    clearTimeout(late);
    return how;
  }

  /** Stops the server for good and removes its data. */
  async close() {
    await this.stop('SIGKILL');
    rmSync(this.dir, { recursive: true, force: true });
  }

  async http(method, path, { token, body, key, headers = {} } = {}) {
    const all = { ...headers };
    if (token) all.authorization = `Bearer ${token}`;
    if (key) all['idempotency-key'] = key;
    if (body !== undefined) all['content-type'] = 'application/json';
    const answer = await fetch(this.url + path, {
      method,
      headers: all,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
    const text = await answer.text();
    const json = /json/.test(answer.headers.get('content-type') ?? '') && text !== '';
    return new Answer(answer.status, answer.headers, json ? JSON.parse(text) : text);
  }

  get(path, token) {
    return this.http('GET', path, { token });
  }

  post(path, token, body, key) {
    return this.http('POST', path, { token, body, key });
  }

  /** A registered person: `{user, access_token, refresh_token, …}`. */
  async register(role = 'shopper') {
    const answer = await this.post('/api/v1/auth/register', undefined, {
      email: `${role}-${randomUUID()}@example.com`,
      password: 'correct horse battery staple',
      display_name: `A ${role}`,
      role,
    });
    return answer.expect(201);
  }

  /** Access tokens of fresh shoppers, without the cost of password hashes. */
  async shoppers(count) {
    const answer = await this.post('/api/v1/bench/shoppers', undefined, { count });
    const { tokens } = answer.expect(answer.status === 201 ? 201 : 200);
    return tokens;
  }
}
