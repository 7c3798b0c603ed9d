// Claims by rpc: claim, confirm, cancel, every refusal as over HTTP; and the shopper's `me` channel.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Client } from './lib/client.js';
import { Scene, STORE, newKey, north } from './lib/scene.js';
import { inMs, Server } from './lib/server.js';

let server, scene;
before(async () => {
  server = await Server.start();
  scene = await Scene.set(server);
});
after(() => server.close());
afterEach(() => Client.closeAll());

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** A connected shopper with his token at hand. */
async function shopper() {
  const [token] = await server.shoppers(1);
  const client = await Client.connect(server, { token });
  await client.me.find((e) => e.event === 'subscribed');
  return Object.assign(client, { token });
}

/** The arguments of a claim at the store's door. */
const request = (promotion, more = {}) => ({
  promotion_id: promotion.id,
  idempotency_key: newKey(),
  location: STORE,
  ...more,
});

test('a claim is held, confirmed, and stays so', async () => {
  const promotion = await scene.launch();
  const client = await shopper();
  const claim = await client.rpc('claim', request(promotion, { quantity: 1 }));
  assert.equal(claim.problem, undefined, JSON.stringify(claim));
  assert.equal(claim.promotion_id, promotion.id);
  assert.equal(claim.status, 'held');
  assert.equal(claim.quantity, 1);
  assert.deepEqual(claim.unit_price, { amount: 49_900, currency: 'COP' });
  assert.match(claim.hold_expires_at, INSTANT);
  assert.ok(typeof claim.redemption_code === 'string' && claim.redemption_code.length >= 4);

  const confirmed = await client.rpc('confirm', { claim_id: claim.id });
  assert.equal(confirmed.status, 'confirmed');
  assert.deepEqual(await client.rpc('confirm', { claim_id: claim.id }), confirmed, 'confirming again is the same');
  const problem = await client.problem('cancel', { claim_id: claim.id });
  assert.deepEqual([problem.status, problem.code], [409, 'already_confirmed']);

  const overHttp = (await server.get(`/api/v1/claims/${claim.id}`, client.token)).expect(200);
  assert.equal(overHttp.status, 'confirmed');
  const redeemed = await server.post(`/api/v1/stores/${scene.store.id}/redemptions`, scene.token, {
    code: claim.redemption_code,
  });
  assert.equal(redeemed.expect(200).status, 'redeemed');
  await client.claimOn((c) => c.id === claim.id && c.status === 'redeemed');
  assert.deepEqual(
    client.claims.filter((c) => c.id === claim.id).map((c) => c.status),
    ['held', 'confirmed', 'redeemed'],
  );
});

test('a cancelled claim gives its unit and its limit back', async () => {
  const promotion = await scene.launch({ stock: 1 });
  const client = await shopper();
  const claim = await client.rpc('claim', request(promotion));
  const cancelled = await client.rpc('cancel', { claim_id: claim.id });
  assert.equal(cancelled.status, 'cancelled');
  const again = await client.problem('confirm', { claim_id: claim.id });
  assert.deepEqual([again.status, again.code], [409, 'already_cancelled']);
  assert.equal((await client.rpc('claim', request(promotion))).status, 'held');
});

test('the same key gives the same claim, by rpc and over HTTP; another request with it is refused', async () => {
  const promotion = await scene.launch({ per_shopper_limit: 5 });
  const client = await shopper();
  const key = newKey();
  const claim = await client.rpc('claim', request(promotion, { idempotency_key: key }));
  const repeated = await client.rpc('claim', request(promotion, { idempotency_key: key, location: north(100) }));
  assert.deepEqual(repeated, claim);
  const overHttp = await scene.claim(promotion, client.token, { key });
  assert.deepEqual(overHttp.expect(201), claim);
  const other = await client.problem('claim', request(promotion, { idempotency_key: key, quantity: 2 }));
  assert.deepEqual([other.status, other.code], [422, 'idempotency_key_reused']);
  assert.equal((await server.get('/api/v1/claims', client.token)).expect(200).items.length, 1);
});

test('a problem by rpc is the problem over HTTP', async () => {
  const promotion = await scene.launch({ stock: 2, per_shopper_limit: 1 });
  const client = await shopper();
  (await scene.claim(promotion, client.token)).expect(201);
  const byRpc = await client.problem('claim', request(promotion));
  const overHttp = await scene.claim(promotion, client.token);
  assert.match(overHttp.headers.get('content-type'), /^application\/problem\+json/);
  assert.deepEqual([byRpc.status, byRpc.code], [409, 'limit_reached']);
  const { instance: _a, request_id: _b, ...left } = byRpc;
  const { instance: _c, request_id: _d, ...right } = overHttp.expect(409);
  assert.deepEqual(left, right);
});

test('all held and sold out are told apart', async () => {
  const promotion = await scene.launch({ stock: 1 });
  const [first, second] = [await shopper(), await shopper()];
  const claim = await first.rpc('claim', request(promotion));
  const held = await second.problem('claim', request(promotion));
  assert.deepEqual([held.status, held.code], [409, 'all_held']);
  await first.rpc('confirm', { claim_id: claim.id });
  const sold = await second.problem('claim', request(promotion));
  assert.deepEqual([sold.status, sold.code], [409, 'sold_out']);
});

test('distance decides: from the request, else from the last place of the session', async () => {
  const promotion = await scene.launch({ per_shopper_limit: null });
  const client = await shopper();
  const nowhere = await client.problem('claim', request(promotion, { location: undefined }));
  assert.deepEqual([nowhere.status, nowhere.code], [422, 'location_required']);

  const far = await client.problem('claim', request(promotion, { location: north(2500) }));
  assert.deepEqual([far.status, far.code, far.claim_within_m], [403, 'too_far', 2000]);
  assert.ok(Math.abs(far.distance_m - 2500) <= 1, `distance ${far.distance_m}`);

  await client.nearby({ location: north(1500), radius_m: 5000 }).subscribed();
  assert.equal((await client.rpc('claim', request(promotion, { location: undefined }))).status, 'held');
  await client.rpc('move', { location: north(2500) });
  const moved = await client.problem('claim', request(promotion, { location: undefined }));
  assert.equal(moved.code, 'too_far');
});

test('the window and the state decide', async () => {
  const client = await shopper();
  const scheduled = await scene.launch({ starts_at: inMs(600_000) });
  assert.equal((await client.problem('claim', request(scheduled))).code, 'not_started');
  const paused = await scene.launch();
  await scene.act(paused, 'pause');
  assert.equal((await client.problem('claim', request(paused))).code, 'paused');
  await scene.act(paused, 'cancel');
  assert.equal((await client.problem('claim', request(paused))).code, 'cancelled');
  const missing = await client.problem('claim', { ...request(paused), promotion_id: '019abcde-0000-7000-8000-000000000000' });
  assert.equal(missing.status, 404);
});

test('acting on somebody else’s claim is like acting on none', async () => {
  const promotion = await scene.launch();
  const [owner, thief] = [await shopper(), await shopper()];
  const claim = await owner.rpc('claim', request(promotion));
  for (const method of ['confirm', 'cancel']) {
    assert.equal((await thief.problem(method, { claim_id: claim.id })).status, 404);
  }
  assert.deepEqual(thief.claims, []);
});

test('`me` tells every change of one’s claims, wherever it was made', async () => {
  const promotion = await scene.launch({ per_shopper_limit: 3, hold_seconds: 1 });
  const client = await shopper();
  const second = await Client.connect(server, { token: client.token });
  const claim = (await scene.claim(promotion, client.token)).expect(201);
  for (const device of [client, second]) {
    const held = await device.claimOn((c) => c.id === claim.id && c.status === 'held');
    assert.equal(held.promotion_id, promotion.id);
    const expired = await device.claimOn((c) => c.id === claim.id && c.status === 'expired');
    assert.ok(expired.v > held.v, 'the version of an expiry is newer');
  }
  const late = await client.problem('confirm', { claim_id: claim.id });
  assert.deepEqual([late.status, late.code], [409, 'hold_expired']);
});

test('`me` starts with the open claims', async () => {
  const promotion = await scene.launch({ per_shopper_limit: 3 });
  const [token] = await server.shoppers(1);
  const open = (await scene.claim(promotion, token)).expect(201);
  const closed = (await scene.claim(promotion, token)).expect(201);
  (await server.post(`/api/v1/claims/${closed.id}/cancel`, token)).expect(200);
  const client = await Client.connect(server, { token });
  const { data } = await client.me.find((e) => e.event === 'subscribed');
  assert.deepEqual(data.claims.map((c) => c.id), [open.id]);
  assert.equal(data.unread, 0);
});

test('a spike by rpc sells exactly the stock', async () => {
  const promotion = await scene.launch({ stock: 10, claim_within_m: null });
  const tokens = await server.shoppers(40);
  const clients = await Promise.all(tokens.map((token) => Client.connect(server, { token })));
  const answers = await Promise.all(clients.map((c) => c.rpc('claim', request(promotion, { location: undefined }))));
  assert.equal(answers.filter((a) => a.status === 'held').length, 10);
  assert.deepEqual([...new Set(answers.filter((a) => a.problem).map((a) => a.problem.code))], ['all_held']);
  const state = (await server.get(`/api/v1/promotions/${promotion.id}`, scene.token)).expect(200);
  assert.deepEqual([state.remaining, state.held, state.sold], [0, 10, 0]);
});
