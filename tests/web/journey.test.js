// The whole way, by hand: a merchant registers and launches, another browser sees it live, claims, confirms, and the
// merchant redeems and sees it on the board.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { browser, CENTRE, isLive, person, Server, shows, signIn, until } from './support.js';

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

async function register(page, { name, email, merchant }) {
  await page.goto('/sign-in');
  await page.getByRole('button', { name: /Create an account/ }).click();
  if (merchant) await page.getByRole('button', { name: 'Sell at my store' }).click();
  await page.getByLabel('Name', { exact: true }).fill(name);
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill('a good password');
  await page.locator('form button[type=submit]').click();
  await page.locator('a[href="/account"]').waitFor();
}

async function openStore(page) {
  await page.getByRole('button', { name: 'New store' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name', { exact: true }).fill('Corner Shop');
  await dialog.getByLabel('Address').fill('Calle 10 #43-20');
  await dialog.getByLabel('Latitude').fill(String(CENTRE.lat + 0.004));
  await dialog.getByLabel('Longitude').fill(String(CENTRE.lng));
  await dialog.getByRole('button', { name: 'Open store' }).click();
  await page.getByRole('heading', { name: 'Corner Shop' }).waitFor();
}

async function launch(page) {
  await page.getByRole('link', { name: 'Launch a flash sale' }).click();
  await page.getByRole('button', { name: 'New product' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name', { exact: true }).fill('Espresso machine');
  await dialog.getByLabel('Description').fill('15 bar');
  await dialog.getByLabel('Regular price').fill('400000');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await page.getByLabel(/Flash price/).fill('199999,50');
  await page.getByLabel('Units', { exact: true }).fill('5');
  await shows(page.getByTestId('estimate'), /[1-9]\d* cells/);
  await page.getByRole('button', { name: 'Launch', exact: true }).click();
  await page.getByTestId('board').waitFor();
  await shows(page.getByTestId('status'), 'Live');
}

test('register, launch, see it live elsewhere, claim, confirm, redeem, burn down', async () => {
  const shopper = await person(chrome, server);
  const merchant = await person(chrome, server);
  await register(shopper.page, { name: 'Ana', email: 'ana@example.com' });
  await isLive(shopper.page);
  await shows(shopper.page.getByTestId('deals'), 'Nothing on near you right now');

  await register(merchant.page, { name: 'Marta', email: 'marta@example.com', merchant: true });
  await openStore(merchant.page);
  await launch(merchant.page);

  // Nobody reloads: it appears.
  const deal = shopper.page.getByTestId('deal');
  await deal.waitFor();
  await shows(deal, 'Espresso machine');
  await shows(deal, '199,999.50');
  await shows(deal, '5 left');
  await shows(merchant.page.getByTestId('viewers'), /[1-9]/);

  await deal.getByRole('button', { name: 'Espresso machine' }).click();
  await shopper.page.getByRole('button', { name: 'Claim now' }).click();
  const held = shopper.page.getByTestId('held');
  await held.waitFor();
  const seconds = await shopper.page.getByTestId('hold').textContent();
  assert.match(seconds, /^[01]:\d\d$/);
  await shows(merchant.page.getByTestId('held'), '1');
  await shows(merchant.page.getByTestId('remaining'), '4 / 5');

  await held.getByRole('button', { name: 'Confirm' }).click();
  const code = (await shopper.page.getByTestId('code').textContent()).trim();
  assert.ok(code.length >= 6, code);
  await shopper.page.getByRole('img', { name: `QR code of ${code}` }).waitFor();
  await shows(merchant.page.getByTestId('sold'), '1');
  await shows(merchant.page.getByTestId('held'), '0');

  const board = merchant.page.url();
  await merchant.page.getByRole('link', { name: /Corner Shop/ }).click();
  await merchant.page.getByRole('link', { name: 'Redeem' }).click();
  await merchant.page.getByLabel('Code').fill(code);
  await merchant.page.getByRole('button', { name: 'Redeem' }).click();
  await shows(merchant.page.getByTestId('redeemed'), 'Espresso machine');
  // The same code again is refused, in words.
  await merchant.page.getByLabel('Code').fill(code);
  await merchant.page.getByRole('button', { name: 'Redeem' }).click();
  await shows(merchant.page.getByRole('alert'), /redeemed before/);

  // The shopper's page knows without being asked.
  await shopper.page.getByTestId('redeemed').waitFor();

  // Others buy the rest: it runs low and sells out in front of one's eyes.
  const id = new URL(board).pathname.split('/').at(-1);
  await shopper.page.getByRole('button', { name: 'Close' }).click();
  const others = await Promise.all(['Bo', 'Cy', 'Di', 'Ed'].map((name) => server.register('shopper', name)));
  await merchant.page.goto(board);
  await shows(merchant.page.getByTestId('remaining'), '4 / 5');
  for (const other of others) {
    const claim = await server.claim(other, { id });
    await server.call('POST', `/claims/${claim.id}/confirm`, { token: other.token });
  }
  await shows(deal, 'Sold out');
  await shows(merchant.page.getByTestId('remaining'), '0 / 5');
  await shows(merchant.page.getByTestId('sold'), '5');
  const burn = await merchant.page.getByRole('img', { name: /Units left over time: 0 of 5/ });
  await burn.waitFor();
  const drawn = await burn.locator('canvas').evaluate((canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.some((value) => value !== 0);
  });
  assert.ok(drawn, 'the chart is drawn');

  // Claims as CSV, and the call that ends it.
  const download = merchant.page.waitForEvent('download');
  await merchant.page.getByRole('button', { name: 'Claims as CSV' }).click();
  assert.match((await download).suggestedFilename(), /\.csv$/);
  await merchant.page.getByRole('button', { name: 'Pause' }).click();
  await shows(merchant.page.getByTestId('status'), 'Paused');
  await until('the deal is gone from the list', async () => (await deal.count()) === 0);
  await merchant.page.getByRole('button', { name: 'Resume' }).click();
  await deal.waitFor();
  assert.deepEqual([...shopper.errors, ...merchant.errors], []);
  server.command(['audit']);
});

test('a visitor who wants a deal signs in and is back at it', async () => {
  const { promotion } = await server.deal('Teapot');
  const shopper = await server.register('shopper', 'Visitor');
  const { page, errors } = await person(chrome, server);
  await page.goto(`/deals/${promotion.id}`);
  await page.getByRole('link', { name: 'Sign in to claim' }).click();
  await until('the tab says which page it is', async () => (await page.title()) === 'Sign in · Flash Promos');
  await page.locator('input[name=email]').fill(shopper.email);
  await page.locator('input[name=password]').fill(shopper.password);
  await page.locator('form button[type=submit]').click();
  await page.getByRole('button', { name: 'Claim now' }).waitFor();
  assert.equal(new URL(page.url()).pathname, `/deals/${promotion.id}`);
  // Never to another site, whatever the address says.
  await page.goto('/sign-in?to=//example.com/deals');
  await page.locator('input[name=email]').fill(shopper.email);
  await page.locator('input[name=password]').fill(shopper.password);
  await page.locator('form button[type=submit]').click();
  await page.getByTestId('deals').waitFor();
  assert.equal(page.url(), `${server.url}/`);
  assert.deepEqual(errors, []);
});

test('a deal for others says so before one tries, and a segment that one has just got counts at once', async () => {
  const { promotion: forRegulars } = await server.deal('Carpet', { segments: ['regular'] });
  const { promotion } = await server.deal('Doormat');
  const shopper = await server.register('shopper', 'Newcomer');
  const { page, errors } = await person(chrome, server);
  await signIn(page, shopper);
  await page.goto(`/deals/${forRegulars.id}`);
  const sheet = page.getByTestId('deal-sheet');
  await shows(sheet, 'Only regular shoppers can claim this one. You are: new.');
  await page.goto(`/deals/${promotion.id}`);
  await page.getByRole('button', { name: 'Claim now' }).click();
  await page.getByRole('button', { name: 'Confirm' }).click();
  await page.getByTestId('confirmed').waitFor();
  await page.getByRole('button', { name: 'Close' }).click();
  // Within the app, so that nothing is loaded anew.
  await page.getByTestId('deal').filter({ hasText: 'Carpet' }).getByRole('button').click();
  await page.getByRole('button', { name: 'Claim now' }).waitFor();
  await until('nothing is in the way', async () => !((await sheet.textContent()) ?? '').includes('Only regular'));
  await page.getByRole('button', { name: 'Claim now' }).click();
  await page.getByTestId('held').waitFor();
  assert.deepEqual(errors, []);
});
