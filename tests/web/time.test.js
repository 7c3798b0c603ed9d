// Countdowns: synchronised with the server's clock, the same in every browser, and zero when it happens.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { browser, card, isLive, person, Server, shows } from './support.js';

let server;
let chrome;
before(async () => {
  server = await Server.start();
  chrome = await browser({ webgl: false });
});
after(async () => {
  await chrome?.close();
  await server?.stop();
});

/** Seconds that a countdown like `1:02:09` or `0:07` shows. */
const seconds = (text) => text.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);

/** Reads the countdown and, in the same instant of the page, the server's time as the page has it. */
const read = (locator) => locator.evaluate((element) => ({ text: element.querySelector('.num').textContent, at: Date.now() }));

test('a sale starts at its second, and both countdowns agree, also on a device whose clock is wrong', async () => {
  const merchant = await server.register('merchant', 'Time');
  const store = await server.store(merchant, 'Clock Shop');
  const product = await server.product(merchant, store, 'Hourglass');
  const startsAt = Date.now() + 20_000;
  const promotion = await server.promotion(merchant, store, product, { starts_at: new Date(startsAt).toISOString() });

  const right = await person(chrome, server);
  const wrong = await person(chrome, server);
  // A quarter of an hour ahead: what the page calls now is not what it is.
  const skew = 15 * 60_000;
  await wrong.context.addInitScript((by) => {
    const now = Date.now.bind(Date);
    Date.now = () => now() + by;
  }, skew);
  const pages = [right.page, wrong.page];
  for (const page of pages) {
    await page.goto(`/deals/${promotion.id}`);
    await isLive(page);
  }
  const countdowns = pages.map((page) => page.getByTestId('deal-sheet').locator(`[data-until="${promotion.starts_at}"]`));
  for (const countdown of countdowns) await shows(countdown, /\d:\d\d/);
  const shown = await Promise.all(countdowns.map(read));
  for (const [index, { text, at }] of shown.entries()) {
    const left = (startsAt - (at - (index === 1 ? skew : 0))) / 1000;
    // To the second: rounded up, refreshed a few times a second, off by the journey of one reply.
    assert.ok(Math.abs(seconds(text) - left) <= 1.5, `browser ${index} shows ${text}, ${left} s are left`);
  }

  // At zero both offer the claim, without a reload, and never before it.
  await Promise.all(
    pages.map(async (page, index) => {
      await page.getByRole('link', { name: 'Sign in to claim' }).waitFor();
      const at = (await page.evaluate(() => Date.now())) - (index === 1 ? skew : 0);
      assert.ok(at >= startsAt - 500, `browser ${index} offered it ${startsAt - at} ms early`);
    }),
  );
  for (const page of pages) {
    await page.getByRole('button', { name: 'Close' }).click();
    await card(page, promotion).waitFor();
  }
  const ends = await Promise.all(pages.map((page) => read(card(page, promotion).locator('.ticking'))));
  assert.ok(Math.abs(seconds(ends[0].text) - seconds(ends[1].text)) <= 1, `${ends[0].text} and ${ends[1].text}`);
  assert.deepEqual([...right.errors, ...wrong.errors], []);
});

test('a hold that runs out goes back on sale by itself, on both screens', async () => {
  const { promotion } = await server.deal('Candle', { stock: 1, hold_seconds: 4 });
  const shopper = await server.register('shopper', 'Slow');
  const { page, errors } = await person(chrome, server);
  const watcher = await person(chrome, server);
  await watcher.page.goto('/');
  await shows(card(watcher.page, promotion), /left|Last/);
  await page.goto('/sign-in');
  await page.locator('input[name=email]').fill(shopper.email);
  await page.locator('input[name=password]').fill(shopper.password);
  await page.locator('form button[type=submit]').click();
  await page.locator('a[href="/account"]').waitFor();
  await page.goto(`/deals/${promotion.id}`);
  await page.getByRole('button', { name: 'Claim now' }).click();
  await shows(card(watcher.page, promotion), 'All on hold');
  await page.getByTestId('expired').waitFor();
  await shows(card(watcher.page, promotion), '1 left');
  await page.getByRole('button', { name: 'Claim another' }).click();
  await page.getByRole('button', { name: 'Claim now' }).click();
  await page.getByTestId('held').waitFor();
  await page.getByRole('button', { name: 'Give it back' }).click();
  await page.getByTestId('cancelled').waitFor();
  assert.deepEqual([...errors, ...watcher.errors], []);
});
