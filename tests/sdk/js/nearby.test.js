// The `nearby` channel: who is shown which deal, its stock and its end; moving about.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Board } from './lib/board.js';
import { Client, shown } from './lib/client.js';
import { Scene, STORE, north } from './lib/scene.js';
import { inMs, Server } from './lib/server.js';

let server, scene;
before(async () => {
  server = await Server.start();
  scene = await Scene.set(server);
});
after(() => server.close());
afterEach(async () => {
  Client.closeAll();
  await scene.clear();
});

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const at = (metres, radius_m = 5000) => ({ location: north(metres), radius_m });

test('a subscription is answered with the live offers in reach, in their full shape', async () => {
  const promotion = await scene.launch({ category: 'audio', per_shopper_limit: 2, reach_m: 3000 });
  await scene.launch({ starts_at: inMs(600_000) });
  await scene.launch({ draft: true });
  const small = await scene.launch({ reach_m: 900 });
  await shown(server, promotion, small);
  const client = await Client.connect(server);
  const { server_time, offers, gone } = await client.nearby(at(1000)).subscribed();
  assert.match(server_time, INSTANT);
  assert.deepEqual(gone, []);
  assert.equal(offers.length, 1, 'only what is live and in reach');
  const [{ starts_at, ends_at, v, ...offer }] = offers;
  assert.match(starts_at, INSTANT);
  assert.equal(ends_at, promotion.ends_at);
  assert.ok(Number.isInteger(v) && v >= 1);
  const { segments, ...rest } = offer;
  assert.ok(segments === undefined || (Array.isArray(segments) && segments.length === 0));
  assert.deepEqual(rest, {
    id: promotion.id,
    store: { id: scene.store.id, name: 'TechShop Medellín Centro', location: STORE },
    product: { id: scene.product.id, name: 'Audífonos' },
    price: { amount: 49_900, currency: 'COP' },
    original_price: { amount: 99_900, currency: 'COP' },
    category: 'audio',
    stock: 10,
    remaining: 10,
    held: 0,
    per_shopper_limit: 2,
    reach_m: 3000,
    claim_within_m: 2000,
    hold_seconds: 60,
    status: 'live',
  });
});

test('a launch reaches a shopper 1 km away and not one 30 km away', async () => {
  const [near, far] = await Promise.all([Client.connect(server), Client.connect(server)]);
  const [nearby, remote] = [near.nearby(at(1000)), far.nearby(at(30_000))];
  await Promise.all([nearby.subscribed(), remote.subscribed()]);
  const promotion = await scene.launch();
  const { offer } = await nearby.publication('offer', (p) => p.offer.id === promotion.id);
  assert.equal(offer.remaining, 10);
  // A second sale that does reach the far shopper shows that the first one would have come by now.
  const marker = await scene.launch({ reach_m: 50_000 });
  await far.rpc('move', { location: north(30_000), radius_m: 50_000 });
  await remote.publication('offer', (p) => p.offer.id === marker.id);
  assert.deepEqual(remote.publications.map((p) => p.offer.id), [marker.id]);
});

test('the radius of the shopper and the reach of the deal both limit', async () => {
  const promotion = await scene.launch({ reach_m: 5000 });
  await shown(server, promotion);
  const client = await Client.connect(server);
  const narrow = await client.nearby(at(1000, 900)).subscribed();
  assert.deepEqual(narrow.offers, []);
  const moved = await client.rpc('move', { location: north(1000), radius_m: 1100 });
  assert.deepEqual(moved.entered, [promotion.id]);
});

test('claims are told as stock, ever newer, and the last state arrives', async () => {
  const promotion = await scene.launch({ stock: 20 });
  await shown(server, promotion);
  const client = await Client.connect(server);
  const nearby = client.nearby(at(500));
  const board = new Board(nearby);
  await nearby.subscribed();
  const tokens = await server.shoppers(20);
  await Promise.all(tokens.map(async (token) => (await scene.claim(promotion, token)).expect(201)));
  const last = await nearby.publication('stock', (p) => p.remaining === 0);
  assert.deepEqual({ ...last, v: 0 }, { type: 'stock', id: promotion.id, v: 0, remaining: 0, held: 20 });
  assert.equal(board.offers.get(promotion.id).held, 20);
  const versions = nearby.publications.map((p) => p.v);
  assert.deepEqual(versions, [...versions].sort((a, b) => a - b));
});

test('cancelled, paused, resumed and ended sales come and go', async () => {
  const client = await Client.connect(server);
  const nearby = client.nearby(at(0));
  new Board(nearby);
  await nearby.subscribed();
  const reason = async (promotion, expected) => {
    const gone = await nearby.publication('gone', (p) => p.id === promotion.id && p.reason === expected);
    assert.ok(Number.isInteger(gone.v));
  };

  const first = await scene.launch();
  await nearby.publication('offer', (p) => p.offer.id === first.id);
  await scene.act(first, 'pause');
  await reason(first, 'paused');
  const { length } = nearby;
  await scene.act(first, 'resume');
  await nearby.publication('offer', (p) => p.offer.id === first.id, { from: length });
  await scene.act(first, 'cancel');
  await reason(first, 'cancelled');

  const short = await scene.launch({ ends_at: inMs(1500) });
  await nearby.publication('offer', (p) => p.offer.id === short.id);
  await reason(short, 'ended');
  assert.ok(Date.now() >= Date.parse(short.ends_at), 'never early');
});

test('a scheduled sale appears when it starts, not before', async () => {
  const client = await Client.connect(server);
  const nearby = client.nearby(at(0));
  await nearby.subscribed();
  const soon = await scene.launch({ starts_at: inMs(1200) });
  const { offer } = await nearby.publication('offer', (p) => p.offer.id === soon.id);
  assert.equal(offer.status, 'live');
  assert.ok(Date.now() >= Date.parse(soon.starts_at), 'never early');
});

test('an edit is told as a fresh offer', async () => {
  const promotion = await scene.launch();
  await shown(server, promotion);
  const client = await Client.connect(server);
  const nearby = client.nearby(at(0));
  const { offers } = await nearby.subscribed();
  (
    await server.http('PATCH', `/api/v1/promotions/${promotion.id}`, {
      token: scene.token,
      body: { price: { amount: 39_900, currency: 'COP' }, stock: 15 },
    })
  ).expect(200);
  const { offer } = await nearby.publication('offer', (p) => p.offer.price.amount === 39_900);
  assert.equal(offer.remaining, 15);
  assert.ok(offer.v > offers[0].v);
});

test('moving tells what entered and what left, publications before the reply', async () => {
  const promotion = await scene.launch({ reach_m: 2000 });
  await shown(server, promotion);
  const client = await Client.connect(server);
  const nearby = client.nearby({ radius_m: 5000 });
  assert.deepEqual((await nearby.subscribed()).offers, [], 'without a location nothing is in reach');

  const entered = await client.rpc('move', { location: north(1900) });
  assert.match(entered.server_time, INSTANT);
  assert.deepEqual([entered.entered, entered.left], [[promotion.id], []]);
  assert.equal(nearby.publications.at(-1).offer.id, promotion.id, 'the offer was there before the reply');

  const jitter = await client.rpc('move', { location: north(2090) });
  assert.deepEqual([jitter.entered, jitter.left], [[], []], 'up to 5 % further out it stays');

  const left = await client.rpc('move', { location: north(2110) });
  assert.deepEqual([left.entered, left.left], [[], [promotion.id]]);
  const { type, id, reason } = nearby.publications.at(-1);
  assert.deepEqual({ type, id, reason }, { type: 'gone', id: promotion.id, reason: 'left' });

  // The cancellation is answered when it is durable, which may be a moment before this session's worker knows.
  const channel = client.channel(`promotion:${promotion.id}`);
  await channel.subscribed();
  const count = nearby.publications.length;
  await scene.act(promotion, 'cancel');
  await channel.unsubscribed();
  await client.rpc('move', { location: north(0) });
  assert.equal(nearby.publications.length, count, 'one gone for one showing');
});

test('categories filter, and a move may change them', async () => {
  const audio = await scene.launch({ category: 'audio' });
  const video = await scene.launch({ category: 'video' });
  await shown(server, audio, video);
  const client = await Client.connect(server);
  const nearby = client.nearby({ ...at(100), categories: ['audio'] });
  const { offers } = await nearby.subscribed();
  assert.deepEqual(offers.map((o) => o.id), [audio.id]);
  const moved = await client.rpc('move', { location: north(100), categories: ['video'] });
  assert.deepEqual([moved.entered, moved.left], [[video.id], [audio.id]]);
});

test('known offers are left out of the answer, changed ones come again, lost ones are gone', async () => {
  const same = await scene.launch();
  const changed = await scene.launch();
  const fresh = await scene.launch();
  const ended = await scene.launch();
  await shown(server, same, changed, fresh, ended);
  const client = await Client.connect(server);
  const nearby = client.nearby(at(0));
  const first = await nearby.subscribed();
  const versions = Object.fromEntries(first.offers.map((o) => [o.id, o.v]));
  assert.equal(first.offers.length, 4);
  await scene.act(ended, 'cancel');
  await nearby.publication('gone', (p) => p.id === ended.id);
  client.close();

  const known = {
    [same.id]: versions[same.id],
    [changed.id]: versions[changed.id] + 1,
    [ended.id]: versions[ended.id],
  };
  const again = await Client.connect(server);
  const { offers, gone } = await again.nearby({ ...at(0), known }).subscribed();
  assert.deepEqual(offers.map((o) => o.id).sort(), [changed.id, fresh.id].sort());
  assert.deepEqual(gone, [ended.id]);

  const elsewhere = await Client.connect(server);
  const far = await elsewhere.nearby({ ...at(30_000), known }).subscribed();
  assert.deepEqual(far.offers, []);
  assert.deepEqual(far.gone.sort(), Object.keys(known).sort());
});

test('move takes known too, for SDKs whose subscription data is fixed', async () => {
  const same = await scene.launch();
  const fresh = await scene.launch();
  await shown(server, same, fresh);
  const client = await Client.connect(server);
  const { offers } = await client.nearby(at(0)).subscribed();
  const v = offers.find((o) => o.id === same.id).v;
  client.close();

  const again = await Client.connect(server);
  const nearby = again.nearby({ radius_m: 5000 });
  await nearby.subscribed();
  const lost = '019abcde-0000-7000-8000-000000000000';
  const moved = await again.rpc('move', { location: north(0), known: { [same.id]: v, [lost]: 3 } });
  assert.deepEqual([moved.entered, moved.left], [[fresh.id], [lost]]);
  assert.deepEqual(nearby.publications.filter((p) => p.type === 'offer').map((p) => p.offer.id), [fresh.id]);
  await scene.act(same, 'pause');
  await nearby.publication('gone', (p) => p.id === same.id && p.reason === 'paused');
});

test('after unsubscribing nothing comes; subscribing again gives the state of then', async () => {
  const promotion = await scene.launch();
  await shown(server, promotion);
  const client = await Client.connect(server);
  const nearby = client.nearby(at(0));
  await nearby.subscribed();
  nearby.sub.unsubscribe();
  await nearby.unsubscribed();
  const [token] = await server.shoppers(1);
  (await scene.claim(promotion, token)).expect(201);
  const { length } = nearby;
  nearby.sub.subscribe();
  const { offers } = await nearby.subscribed({ from: length });
  if (offers[0].held === 0) await nearby.publication('stock', (p) => p.held === 1);
  const types = nearby.publications.map((p) => p.type);
  assert.ok(types.length <= 1 && !types.includes('offer'), `${types}`);
  assert.equal(client.log.items.filter((e) => e.event === 'connecting').length, 1, 'on the same connection');
});
