// Tokens end while the socket lives: the SDK refreshes in time, who does not is let go. The server of
// this file gives tokens of 30 seconds, so that a connect result says ttl 5.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { Bare, Client } from './lib/client.js';
import { Server, sleep } from './lib/server.js';

let server;
before(async () => (server = await Server.start({ FLASH_ACCESS_TOKEN_SECONDS: '30' })));
after(() => server.close());
afterEach(() => Client.closeAll());

/** Tokens of one person, each the successor of the last. */
async function tokens() {
  let session = await server.register();
  assert.equal(session.expires_in, 30);
  return {
    user: session.user,
    first: session.access_token,
    async next() {
      const { refresh_token } = session;
      session = (await server.post('/api/v1/auth/refresh', undefined, { refresh_token })).expect(200);
      return session.access_token;
    },
  };
}

test('a connection outlives its first token when the SDK refreshes it', { timeout: 60_000 }, async () => {
  const person = await tokens();
  let refreshed = 0;
  const client = await Client.connect(server, {
    token: person.first,
    getToken: async () => {
      refreshed += 1;
      return person.next();
    },
  });
  const nearby = client.nearby({ location: { lat: 0, lng: 0 }, radius_m: 500 });
  await nearby.subscribed();
  await sleep(33_000); // past the end of the first token
  await client.rpc('move', { location: { lat: 0, lng: 0 } });
  assert.ok(refreshed >= 3, `refreshed ${refreshed} times`);
  assert.deepEqual(client.log.items.map((e) => e.event), ['connecting', 'connected']);
});

test('a socket ends with its token, with 3005, and the token is then expired', { timeout: 60_000 }, async () => {
  const person = await tokens();
  const bare = await Bare.open(server);
  bare.socket.on('message', (data) => data.toString() === '{}' && bare.send({}));
  bare.send({ id: 1, connect: { token: person.first } });
  const { connect } = await bare.reply(1);
  assert.deepEqual([connect.expires, connect.ttl >= 1 && connect.ttl <= 5], [true, true]);
  const opened = Date.now();
  const { code, reason } = await bare.close({ ms: 40_000 });
  assert.equal(code, 3005);
  assert.ok(reason.length > 0);
  assert.ok(Date.now() - opened >= 27_000, 'not before its time');
  const again = await Bare.open(server);
  again.send({ id: 1, connect: { token: person.first } });
  assert.equal((await again.reply(1)).error.code, 109);
  again.end();
});

test('a refresh answers with the next ttl; with an expired token it ends the socket', async () => {
  const person = await tokens();
  const bare = await Bare.open(server);
  bare.send({ id: 1, connect: { token: person.first } });
  await bare.reply(1);
  bare.send({ id: 2, refresh: { token: await person.next() } });
  const { refresh } = await bare.reply(2);
  assert.equal(refresh.expires, true);
  assert.ok(refresh.ttl >= 1 && refresh.ttl <= 5);
  bare.send({ id: 3, refresh: { token: 'garbage' } });
  assert.equal((await bare.close()).code, 3500);
});

test('another person’s token does not refresh a connection', async () => {
  const [person, other] = [await tokens(), await tokens()];
  const client = await Client.connect(server, { token: person.first, getToken: async () => other.first });
  const { code } = await client.disconnected({ ms: 15_000 });
  assert.equal(code, 3500);
});

test('logging out ends the connections of that session', async () => {
  const session = await server.register();
  const bare = await Bare.open(server);
  bare.send({ id: 1, connect: { token: session.access_token } });
  await bare.reply(1);
  (await server.post('/api/v1/auth/logout', undefined, { refresh_token: session.refresh_token })).expect(204);
  const { code } = await bare.close();
  assert.ok(code >= 3000, `code ${code}`);
  const again = await Bare.open(server);
  again.send({ id: 1, connect: { token: session.access_token } });
  assert.equal((await again.reply(1)).error.code, 109);
  again.end();
});
