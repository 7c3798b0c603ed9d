// The server goes away in the middle, in order or by `kill -9`: the SDK comes back by itself, says what
// it knew, and gets the smallest difference that makes its screen right.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Board } from './lib/board.js';
import { Client, shown } from './lib/client.js';
import { Scene, north } from './lib/scene.js';
import { inMs, Server, sleep } from './lib/server.js';

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

/** Connects a shopper whose subscription always says what his screen shows. */
async function shopper(token, place) {
  const client = await Client.connect(server, { token });
  let board;
  const nearby = client.channel('nearby', {
    getData: async () => ({ location: place.at, radius_m: 5000, known: board.known }),
  });
  board = new Board(nearby);
  await nearby.subscribed();
  return { client, nearby, board };
}

for (const signal of ['SIGTERM', 'SIGKILL']) {
  test(`${signal}: reconnected, with the smallest difference`, { timeout: 60_000 }, async () => {
    const [token, other] = await server.shoppers(2);
    const same = await scene.launch();
    const ends = await scene.launch({ ends_at: inMs(4000) });
    const starts = await scene.launch({ starts_at: inMs(4000) });
    const returns = await scene.launch({ hold_seconds: 4 });
    (await scene.claim(returns, other)).expect(201);
    const kept = (await scene.claim(same, token)).expect(201);
    await shown(server, same, ends, returns);

    const place = { at: north(500) };
    const { client, nearby, board } = await shopper(token, place);
    await client.me.find((e) => e.event === 'subscribed' && e.data.claims.some((c) => c.id === kept.id));
    assert.deepEqual([...board.offers.keys()].sort(), [same.id, ends.id, returns.id].sort());
    const before = { nearby: nearby.length, connection: client.length, me: client.me.items.length };

    const { code } = await server.stop(signal);
    const connecting = await client.connecting({ from: before.connection });
    if (signal === 'SIGTERM') {
      assert.equal(code, 0, 'a drained server ends with 0');
      assert.deepEqual([connecting.code, connecting.reason], [3001, 'shutdown']);
    } else {
      assert.equal(connecting.code, 1, 'transport closed');
    }
    await sleep(Math.max(0, Date.parse(ends.ends_at) - Date.now() + 300)); // what changes, changes while it is away
    await server.run();

    await client.connected({ from: before.connection, ms: 20_000 });
    const { offers, gone } = await nearby.subscribed({ from: before.nearby });
    assert.ok(!offers.some((o) => o.id === same.id), 'what is known and unchanged is not sent again');
    assert.ok(offers.some((o) => o.id === starts.id), 'what started meanwhile is');
    assert.deepEqual(gone, [ends.id]);
    await client.me.find((e) => e.event === 'subscribed' && e.data.claims.some((c) => c.id === kept.id), { from: before.me });

    // The hold that ran out meanwhile is back on sale, told in the answer or right after it.
    if (board.offers.get(returns.id).held !== 0) {
      await nearby.publication('stock', (p) => p.id === returns.id && p.held === 0, { from: before.nearby });
    }
    assert.deepEqual([...board.offers.keys()].sort(), [same.id, starts.id, returns.id].sort());
    const confirmed = await client.rpc('confirm', { claim_id: kept.id });
    assert.equal(confirmed.status, 'confirmed');
  });

  test(`${signal}: a shopper who moved meanwhile is told what he left`, { timeout: 60_000 }, async () => {
    const [token] = await server.shoppers(1);
    const here = await scene.launch({ reach_m: 2000 });
    const wide = await scene.launch({ reach_m: 40_000 });
    await shown(server, here, wide);
    const place = { at: north(0) };
    const { client, nearby, board } = await shopper(token, place);
    assert.equal(board.offers.size, 2);
    const before = nearby.length;
    await server.stop(signal);
    place.at = north(4000);
    await server.run();
    const { offers, gone } = await nearby.subscribed({ from: before, ms: 20_000 });
    assert.deepEqual([offers, gone], [[], [here.id]]);
    assert.deepEqual([...board.offers.keys()], [wide.id]);
    await client.rpc('move', { location: north(0) });
    assert.equal(board.offers.size, 2);
  });
}

test('what was acknowledged before a kill is there after it, and the retry tells so', { timeout: 60_000 }, async () => {
  const promotion = await scene.launch({ stock: 30 });
  const tokens = await server.shoppers(20);
  const clients = await Promise.all(tokens.map((token) => Client.connect(server, { token })));
  const acknowledged = new Map();
  const asked = clients.map(async (client, i) => {
    try {
      const claim = await client.rpc('claim', {
        promotion_id: promotion.id,
        idempotency_key: `key-${i}`,
        location: north(0),
      });
      acknowledged.set(i, claim);
    } catch {
      // Not answered before the kill: resolved by the retry below.
    }
  });
  await Promise.race(asked);
  await server.stop('SIGKILL');
  await Promise.allSettled(asked);
  await server.run();
  const retried = await Promise.all(
    tokens.map(async (token, i) => (await scene.claim(promotion, token, { key: `key-${i}` })).expect(201)),
  );
  for (const [i, claim] of acknowledged) assert.equal(retried[i].id, claim.id);
  const state = (await server.get(`/api/v1/promotions/${promotion.id}`, scene.token)).expect(200);
  assert.deepEqual([state.remaining, state.held + state.sold], [10, 20]);
});
