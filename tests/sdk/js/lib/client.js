// The official SDK with everything it reports written down, so that tests can wait for an event instead
// of sleeping. Also a bare socket for what the SDK would never send.

import assert from 'node:assert/strict';
import { Centrifuge } from 'centrifuge';
import WebSocket from 'ws';
import { Board } from './board.js';
import { STORE } from './scene.js';

export { WebSocket };
const WAIT_MS_MAX = 10_000;

/** A list that can be waited on. */
export class Log {
  constructor(what) {
    this.what = what;
    this.items = [];
    this.waiters = new Set();
  }

  push(item) {
    this.items.push(item);
    // After every listener of the event has run, a Board's among them.
    queueMicrotask(() => [...this.waiters].forEach((check) => check()));
  }

  /** The first item from position `from` that fits, now or later; fails after a while. */
  find(fits, { from = 0, ms = WAIT_MS_MAX, hint = fits.toString() } = {}) {
    return new Promise((resolve, reject) => {
      let late;
      const check = () => {
        const found = this.items.slice(from).find(fits);
        if (found === undefined) return;
        this.waiters.delete(check);
        clearTimeout(late);
        resolve(found);
      };
      late = setTimeout(() => {
        this.waiters.delete(check);
        reject(new Error(`${this.what}: none came that fits ${hint}; came: ${JSON.stringify(this.items, null, 1)}`));
      }, ms);
      this.waiters.add(check);
      check();
    });
  }
}

/** A subscription with its log of `{event, …ctx}`. */
export class Channel {
  constructor(sub, open) {
    this.sub = sub;
    this.log = new Log(sub.channel);
    for (const event of ['subscribing', 'subscribed', 'unsubscribed', 'publication', 'error']) {
      sub.on(event, (ctx) => this.log.push({ event, ...ctx }));
    }
    if (open) sub.subscribe();
  }

  /** Publications received so far, their data only. */
  get publications() {
    return this.log.items.filter((e) => e.event === 'publication').map((e) => e.data);
  }

  get length() {
    return this.log.items.length;
  }

  /** The answer of the (n-th) subscribe: its data. */
  async subscribed(options) {
    return (await this.log.find((e) => e.event === 'subscribed', { hint: 'subscribed', ...options })).data;
  }

  async unsubscribed(options) {
    return this.log.find((e) => e.event === 'unsubscribed', { hint: 'unsubscribed', ...options });
  }

  /** The first publication of the type that fits. */
  async publication(type, fits = () => true, options = {}) {
    const event = await this.log.find(
      (e) => e.event === 'publication' && e.data.type === type && fits(e.data),
      { hint: `${type} ${fits}`, ...options },
    );
    return event.data;
  }
}

/** One SDK client with its log of connection events and of the `me` channel. */
export class Client {
  constructor(server, options = {}) {
    this.log = new Log('connection');
    this.me = new Log('me');
    this.centrifuge = new Centrifuge(server.liveUrl, {
      websocket: WebSocket,
      minReconnectDelay: 50,
      maxReconnectDelay: 300,
      ...options,
    });
    for (const event of ['connecting', 'connected', 'disconnected', 'error']) {
      this.centrifuge.on(event, (ctx) => this.log.push({ event, ...ctx }));
    }
    for (const event of ['subscribed', 'unsubscribed', 'publication']) {
      this.centrifuge.on(event, (ctx) => {
        if (ctx.channel === 'me') this.me.push({ event, ...ctx });
      });
    }
    Client.all.add(this);
  }

  /** A connected client; without a token it is an anonymous visitor. */
  static async connect(server, options = {}) {
    const client = new Client(server, options);
    client.centrifuge.connect();
    await client.connected();
    return client;
  }

  get length() {
    return this.log.items.length;
  }

  connected(options) {
    return this.log.find((e) => e.event === 'connected', { hint: 'connected', ...options });
  }

  disconnected(options) {
    return this.log.find((e) => e.event === 'disconnected', { hint: 'disconnected', ...options });
  }

  connecting(options) {
    return this.log.find((e) => e.event === 'connecting', { hint: 'connecting', ...options });
  }

  /** Subscribes to `nearby` with the given data. */
  nearby(data, options = {}) {
    return this.channel('nearby', { data, ...options });
  }

  channel(name, options = {}) {
    return new Channel(this.centrifuge.newSubscription(name, { minResubscribeDelay: 50, ...options }), true);
  }

  /** Calls a method; gives the data of its result. */
  async rpc(method, data) {
    return (await this.centrifuge.rpc(method, data)).data;
  }

  /** Calls a method that is to be refused with a problem; gives the problem. */
  async problem(method, data) {
    const result = await this.rpc(method, data);
    assert.ok(result.problem, `expected a problem, got ${JSON.stringify(result)}`);
    return result.problem;
  }

  /** The claim publications on `me` so far. */
  get claims() {
    return this.me.items.filter((e) => e.event === 'publication' && e.data.type === 'claim').map((e) => e.data.claim);
  }

  async claimOn(fits, options) {
    const event = await this.me.find(
      (e) => e.event === 'publication' && e.data.type === 'claim' && fits(e.data.claim),
      { hint: `claim ${fits}`, ...options },
    );
    return event.data.claim;
  }

  close() {
    Client.all.delete(this);
    this.centrifuge.disconnect();
  }

  static closeAll() {
    for (const client of [...Client.all]) client.close();
  }
}
Client.all = new Set();

/**
 * Waits until a visitor at the store is shown every one of the promotions: a launch is answered when it is
 * durable, which may be a moment before it is shown.
 */
export async function shown(server, ...promotions) {
  const visitor = await Client.connect(server);
  const nearby = visitor.nearby({ location: STORE, radius_m: 50_000 });
  const board = new Board(nearby);
  await nearby.log.find(() => promotions.every(({ id }) => board.offers.has(id)), { hint: 'all are shown' });
  visitor.close();
}

/** A bare socket that speaks whole text frames. */
export class Bare {
  static async open(server, { protocols = [] } = {}) {
    const bare = new Bare();
    bare.frames = new Log('frames');
    bare.closed = new Log('close');
    bare.socket = new WebSocket(server.liveUrl, protocols, { perMessageDeflate: false });
    bare.socket.on('message', (data) => {
      for (const line of data.toString().split('\n')) bare.frames.push(JSON.parse(line));
    });
    bare.socket.on('close', (code, reason) => bare.closed.push({ code, reason: reason.toString() }));
    bare.socket.on('error', () => {});
    await new Promise((resolve, reject) => {
      bare.socket.once('open', resolve);
      bare.socket.once('error', reject);
    });
    return bare;
  }

  send(...commands) {
    this.socket.send(commands.map((c) => (typeof c === 'string' ? c : JSON.stringify(c))).join('\n'));
  }

  reply(id) {
    return this.frames.find((f) => f.id === id, { hint: `reply ${id}` });
  }

  close(options) {
    return this.closed.find(() => true, { hint: 'close', ...options });
  }

  end() {
    this.socket.terminate();
  }
}
