// The channel of one promotion: for anybody, and with sales for the store's people.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Client } from './lib/client.js';
import { Scene } from './lib/scene.js';
import { inMs, Server } from './lib/server.js';

let server, scene;
before(async () => {
  server = await Server.start();
  scene = await Scene.set(server);
});
after(() => server.close());
afterEach(() => Client.closeAll());

const SALES = ['claims', 'held', 'per_second', 'sold', 'type', 'viewers'];

test('anybody may watch a promotion: its offer, its stock, its end', async () => {
  const promotion = await scene.launch();
  const client = await Client.connect(server);
  const channel = client.channel(`promotion:${promotion.id}`);
  const { server_time, offer } = await channel.subscribed();
  assert.ok(Date.parse(server_time) > 0);
  assert.deepEqual([offer.id, offer.remaining, offer.status], [promotion.id, 10, 'live']);

  const [token] = await server.shoppers(1);
  (await scene.claim(promotion, token)).expect(201);
  const stock = await channel.publication('stock', (p) => p.held === 1);
  assert.deepEqual([stock.id, stock.remaining], [promotion.id, 9]);
  assert.ok(stock.v > offer.v);

  await scene.act(promotion, 'cancel');
  const { code, reason } = await channel.unsubscribed();
  assert.equal(code, 2000);
  assert.ok(reason.length > 0);
  const last = channel.publications.at(-1);
  assert.deepEqual([last.type, last.id, last.reason], ['gone', promotion.id, 'cancelled']);
});

test('a scheduled promotion can be watched, and is told as an offer when it starts', async () => {
  const promotion = await scene.launch({ starts_at: inMs(1500) });
  const client = await Client.connect(server);
  const channel = client.channel(`promotion:${promotion.id}`);
  assert.equal((await channel.subscribed()).offer.status, 'scheduled');
  const { offer } = await channel.publication('offer', (p) => p.offer.status === 'live');
  assert.equal(offer.id, promotion.id);
});

test('the store’s people are told the sales once a second, others are not', async () => {
  const promotion = await scene.launch();
  const owner = await Client.connect(server, { token: scene.token });
  const [token] = await server.shoppers(1);
  const shopper = await Client.connect(server, { token });
  const watched = owner.channel(`promotion:${promotion.id}`);
  const plain = shopper.channel(`promotion:${promotion.id}`);
  await Promise.all([watched.subscribed(), plain.subscribed()]);
  (await scene.claim(promotion, token)).expect(201);
  const sales = await watched.publication('sales', (p) => p.claims === 1);
  assert.deepEqual(Object.keys(sales).sort(), SALES);
  assert.deepEqual([sales.held, sales.sold], [1, 0]);
  const { length } = watched;
  await watched.publication('sales', () => true, { from: length });
  assert.ok(plain.publications.every((p) => p.type !== 'sales'));
});

test('staff are the store’s people too', async () => {
  const promotion = await scene.launch();
  const clerk = await server.register('shopper');
  (
    await server.http('PUT', `/api/v1/stores/${scene.store.id}/staff/${clerk.user.id}`, {
      token: scene.token,
      body: { role: 'clerk' },
    })
  ).expect(200);
  const client = await Client.connect(server, { token: clerk.access_token });
  await client.channel(`promotion:${promotion.id}`).publication('sales');
});

test('an unknown promotion is an unknown channel, somebody else’s draft is not allowed', async () => {
  const draft = await scene.launch({ draft: true });
  const stranger = await Client.connect(server);
  const unknown = stranger.channel('promotion:019abcde-0000-7000-8000-000000000000');
  assert.equal((await unknown.unsubscribed()).code, 102);
  const foreign = stranger.channel(`promotion:${draft.id}`);
  assert.equal((await foreign.unsubscribed()).code, 103);
  const owner = await Client.connect(server, { token: scene.token });
  assert.equal((await owner.channel(`promotion:${draft.id}`).subscribed()).offer.status, 'draft');
});
