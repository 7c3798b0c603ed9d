// What goes wrong on the live edge: tokens, channels, methods, data, and frames the SDK never sends.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Bare, Client } from './lib/client.js';
import { Scene, STORE, newKey } from './lib/scene.js';
import { forge, Server } from './lib/server.js';

let server, scene;
before(async () => {
  server = await Server.start();
  scene = await Scene.set(server);
});
after(() => server.close());
afterEach(() => Client.closeAll());

const past = () => Math.floor(Date.now() / 1000) - 60;

/** A client that is expected to end disconnected; gives that event. */
async function refused(options) {
  const client = new Client(server, options);
  client.centrifuge.connect();
  return client.disconnected();
}

test('an expired token is told as 109: the SDK gets a new one and connects', async () => {
  const [token] = await server.shoppers(1);
  let asked = 0;
  const client = new Client(server, {
    token: forge(token, { exp: past() }),
    getToken: async () => {
      asked += 1;
      return token;
    },
  });
  client.centrifuge.connect();
  await client.connected();
  assert.equal(asked, 1);
  const error = await client.log.find((e) => e.event === 'error');
  assert.deepEqual([error.type, error.error.code], ['connect', 109]);
});

test('an expired token on a bare socket is a reply with code and message', async () => {
  const [token] = await server.shoppers(1);
  const bare = await Bare.open(server);
  bare.send({ id: 1, connect: { token: forge(token, { exp: past() }) } }, { id: 2, subscribe: { channel: 'nearby', data: { radius_m: 500 } } });
  const { error } = await bare.reply(1);
  assert.equal(error.code, 109);
  assert.ok(error.message.length > 0);
  assert.deepEqual(bare.frames.items.filter((f) => f.id === 2), [], 'the rest is dropped');
  bare.end();
});

test('tokens that are not ours end the connection for good', async (t) => {
  const [token] = await server.shoppers(1);
  const { refresh_token } = await server.register();
  const [header, payload, signature] = token.split('.');
  const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url');
  const cases = {
    garbage: 'garbage',
    'a refresh token': refresh_token,
    'a broken signature': `${header}.${payload}.${signature.slice(0, -4)}AAAA`,
    'no algorithm': `${none}.${payload}.`,
    'another audience': forge(token, { aud: 'somebody-else' }),
    'another purpose': forge(token, { purpose: 'refresh' }),
  };
  for (const [name, bad] of Object.entries(cases)) {
    await t.test(name, async () => {
      const { code, reason } = await refused({ token: bad });
      assert.equal(code, 3500);
      assert.ok(reason.length > 0);
    });
  }
});

test('an unknown channel is refused with 102', async () => {
  const client = await Client.connect(server);
  for (const name of ['nowhere', 'promotion:not-an-id', 'promotion:']) {
    const { code, reason } = await client.channel(name).unsubscribed();
    assert.equal(code, 102, name);
    assert.ok(reason.length > 0);
  }
});

test('an anonymous visitor may not act: 101', async () => {
  const promotion = await scene.launch();
  const client = await Client.connect(server);
  await client.nearby({ location: STORE, radius_m: 5000 }).subscribed();
  const claim = { promotion_id: promotion.id, idempotency_key: newKey() };
  await assert.rejects(client.rpc('claim', claim), (e) => e.code === 101 && e.message.length > 0);
  for (const method of ['confirm', 'cancel']) {
    await assert.rejects(client.rpc(method, { claim_id: newKey() }), (e) => e.code === 101);
  }
});

test('unknown methods, bad data and what is not offered have the protocol’s codes', async () => {
  const [token] = await server.shoppers(1);
  const client = await Client.connect(server, { token });
  await client.nearby({ radius_m: 5000 }).subscribed();
  const location = { lat: 0, lng: 0 };
  const cases = [
    [104, 'teleport', {}],
    [107, 'move', null],
    [107, 'move', []],
    [107, 'move', { location, unheard_of: 1 }],
    [107, 'move', { location: { lat: 91, lng: 0 } }],
    [107, 'move', { location: { lat: '1', lng: 0 } }],
    [107, 'move', { location, radius_m: 50_001 }],
    [107, 'move', { location, radius_m: 49 }],
    [107, 'claim', { idempotency_key: newKey() }],
    [107, 'claim', { promotion_id: 'x', idempotency_key: newKey() }],
    [107, 'claim', { promotion_id: newKey(), idempotency_key: newKey(), price: 1 }],
    [107, 'confirm', {}],
    [107, 'cancel', { claim_id: 7 }],
  ];
  for (const [code, method, data] of cases) {
    await assert.rejects(client.rpc(method, data), (e) => e.code === code, `${method} ${JSON.stringify(data)}`);
  }
  const { centrifuge } = client;
  await assert.rejects(centrifuge.publish('nearby', {}), (e) => e.code === 108);
  await assert.rejects(centrifuge.presence('nearby'), (e) => e.code === 108);
  await assert.rejects(centrifuge.presenceStats('nearby'), (e) => e.code === 108);
  await assert.rejects(centrifuge.history('nearby'), (e) => e.code === 108);
  await centrifuge.send({ anything: true });
  await client.rpc('move', { location });
  assert.equal(client.log.items.filter((e) => e.event !== 'error').length, 2, 'still the first connection');
});

test('bad subscription data is refused with 107', async () => {
  for (const data of [{ radius_m: 0 }, {}, { radius_m: 500, location: { lat: NaN, lng: 0 } }, { radius_m: 500, unknown: 1 }, 'text']) {
    const client = await Client.connect(server);
    assert.equal((await client.nearby(data).unsubscribed()).code, 107, JSON.stringify(data));
  }
});

test('subscribing twice is refused with 105; unsubscribing always works', async () => {
  const bare = await Bare.open(server);
  const subscribe = { channel: 'nearby', data: { radius_m: 500 } };
  bare.send({ id: 1, connect: {} }, { id: 2, subscribe }, { id: 3, subscribe });
  assert.equal((await bare.reply(3)).error.code, 105);
  bare.send({ id: 4, unsubscribe: { channel: 'nearby' } }, { id: 5, unsubscribe: { channel: 'nearby' } }, { id: 6, subscribe });
  assert.deepEqual(await bare.reply(5), { id: 5, unsubscribe: {} });
  assert.ok((await bare.reply(6)).subscribe.data);
  bare.end();
});

test('what is no command ends the connection with 3501', async (t) => {
  const cases = {
    'not JSON': ['hello'],
    'half an object': ['{"id":1,"connect":{}'],
    'an empty frame': [''],
    'an array': ['[]'],
    'no id': ['{"connect":{}}'],
    'before connect': ['{"id":1,"rpc":{"method":"move","data":{}}}'],
    'connect twice': ['{"id":1,"connect":{}}', '{"id":2,"connect":{}}'],
    'a binary frame': [Buffer.from([0, 1, 2])],
  };
  for (const [name, frames] of Object.entries(cases)) {
    await t.test(name, async () => {
      const bare = await Bare.open(server);
      for (const frame of frames) bare.socket.send(frame);
      const { code, reason } = await bare.close();
      assert.equal(code, 3501);
      assert.ok(reason.length > 0 && Buffer.byteLength(reason) <= 123);
    });
  }
});

test('an oversize frame ends the connection with a code of its own', async () => {
  const bare = await Bare.open(server);
  bare.send({ id: 1, connect: {} });
  await bare.reply(1);
  bare.socket.send(JSON.stringify({ id: 2, rpc: { method: 'move', data: { text: 'x'.repeat(70_000) } } }));
  const { code } = await bare.close();
  assert.ok(code >= 4500 && code < 4600, `code ${code}`);
});

test('the server answers RFC 6455 pings', async () => {
  const bare = await Bare.open(server);
  const pong = new Promise((resolve) => bare.socket.once('pong', (data) => resolve(data.toString())));
  bare.socket.ping('are you there');
  assert.equal(await pong, 'are you there');
  bare.end();
});

test('who does not connect within ten seconds is let go with 3502', async () => {
  const bare = await Bare.open(server);
  const { code } = await bare.close({ ms: 15_000 });
  assert.equal(code, 3502);
});
