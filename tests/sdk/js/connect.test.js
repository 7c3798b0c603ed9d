// Connecting: anonymous visitors, shoppers with a token, the `me` channel's start, subprotocols.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Bare, Client, WebSocket } from './lib/client.js';
import { Server } from './lib/server.js';

let server;
before(async () => (server = await Server.start()));
after(() => server.close());
afterEach(() => Client.closeAll());

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

test('an anonymous visitor connects and is told the time', async () => {
  const client = await Client.connect(server);
  const { client: id, data } = await client.connected();
  assert.ok(id.length > 0);
  assert.match(data.server_time, INSTANT);
  assert.ok(Math.abs(Date.parse(data.server_time) - Date.now()) < 60_000);
  await client.nearby({ radius_m: 1000 }).subscribed();
  assert.deepEqual(client.me.items, [], 'an anonymous visitor has no channel of his own');
});

test('a shopper connects with a token and is subscribed to `me`', async () => {
  const [token] = await server.shoppers(1);
  const client = await Client.connect(server, { token });
  const { data } = await client.me.find((e) => e.event === 'subscribed');
  assert.deepEqual(data, { claims: [], unread: 0 });
});

test('two clients of one shopper are told apart', async () => {
  const [token] = await server.shoppers(1);
  const [one, two] = await Promise.all([Client.connect(server, { token }), Client.connect(server, { token })]);
  assert.notEqual((await one.connected()).client, (await two.connected()).client);
});

test('the connect result has what the protocol asks for, and nothing that is null', async () => {
  const [token] = await server.shoppers(1);
  const bare = await Bare.open(server);
  bare.send({ id: 1, connect: { token, name: 'test', version: '1', headers: {}, data: null, unheard_of: 1 } });
  const text = JSON.stringify(await bare.reply(1));
  const { connect } = JSON.parse(text);
  assert.doesNotMatch(text, /null/);
  assert.equal(connect.ping, 25);
  assert.equal(connect.pong, true);
  assert.equal(connect.expires, true);
  assert.ok(Number.isInteger(connect.ttl) && connect.ttl > 800 && connect.ttl <= 875, `ttl ${connect.ttl}`);
  bare.end();

  const visitor = await Bare.open(server);
  visitor.send({ id: 7, connect: {} });
  const anonymous = (await visitor.reply(7)).connect;
  assert.ok(!('expires' in anonymous) && !('ttl' in anonymous) && !('subs' in anonymous));
  visitor.end();
});

test('commands of the first frame wait for the authentication', async () => {
  const [token] = await server.shoppers(1);
  const bare = await Bare.open(server, { protocols: ['centrifuge-json'] });
  assert.equal(bare.socket.protocol, 'centrifuge-json');
  bare.send(
    { connect: { token }, id: 3 },
    { subscribe: { channel: 'nearby', data: { radius_m: 500 }, flag: 1 }, id: 4 },
    { rpc: { method: 'move', data: { location: { lat: 1, lng: 1 } } }, id: 5 },
  );
  await bare.reply(5);
  assert.deepEqual(bare.frames.items.map((f) => f.id).filter(Boolean), [3, 4, 5]);
  bare.end();
});

test('an upgrade that offers only Protobuf is refused with 400', async () => {
  const socket = new WebSocket(server.liveUrl, ['centrifuge-protobuf']);
  const status = await new Promise((resolve, reject) => {
    socket.on('unexpected-response', (_request, response) => resolve(response.statusCode));
    socket.on('open', () => reject(new Error('accepted')));
    socket.on('error', reject);
  });
  assert.equal(status, 400);
  socket.terminate();
});
