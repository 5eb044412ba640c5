// Does with the dashboard what an operator does, in a real Chromium and by keyboard alone. It needs a running sidecar
// with a held message, one in doubt, and policies to return to; see README.md.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Browser } from './browser.js';

const admin = process.env.SENDGATE_ADMIN ?? 'http://127.0.0.1:8788';
const apps = process.env.SENDGATE_URL ?? 'http://127.0.0.1:8787';
const appToken = process.env.SENDGATE_TOKEN ?? 'demo-token';
const operator = process.env.SENDGATE_ADMIN_TOKEN;
const shots = process.env.SENDGATE_SHOTS;
assert(operator, 'set SENDGATE_ADMIN_TOKEN to the value of [listen] admin_token');

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const browser = await Browser.start();
const TEXT = 'a text that no page shows';

async function post(to, status, text = TEXT) {
  const headers = { authorization: `Bearer ${appToken}`, 'content-type': 'application/json' };
  const answer = await fetch(`${apps}/v1/messages`, { method: 'POST', headers, body: JSON.stringify({ to, text }) });
  const body = await answer.json();
  assert.equal(answer.status, status, JSON.stringify(body));
  return body.id;
}

/** What axe finds against WCAG 2.2 A and AA, and good practice. It runs in the page. */
async function look() {
  const runOnly = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
  const { violations } = await globalThis.axe.run(document, { runOnly, resultTypes: ['violations'] });
  return violations.map(({ id, help, nodes }) => {
    const where = nodes.slice(0, 4).map(({ html, failureSummary }) => `${html.slice(0, 160)} ${failureSummary}`);
    return `${id}: ${help}\n    ${where.join('\n    ')}`;
  });
}

async function accessible(where) {
  await browser.find(`${axe}; true`);
  const faults = await browser.find(`(${look})()`);
  assert.deepEqual(faults, [], `${where}:\n${faults.join('\n')}`);
}

async function shot(name, width, height) {
  if (!shots) return;
  await browser.size(width, height);
  await browser.until(
    'the page is drawn',
    'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))',
  );
  writeFileSync(join(shots, `${name}.png`), await browser.shot());
  await browser.size(1440, 900);
}

/** Some life, for those who look at the pictures. */
async function traffic() {
  for (let nth = 0; nth < 24; nth += 1) {
    const refused = nth % 5 === 4;
    await post(refused ? '+5351234567' : `+1415555${2600 + nth}`, refused ? 403 : 202, `Order ${nth}`);
    await new Promise((done) => setTimeout(done, 350 + 500 * Math.sin(nth / 3) ** 2));
  }
}

const step = (what) => console.log(`- ${what}`);
const opened = (id) => `document.getElementById('${id}').open`;
/** The page hears of it a moment later, and then its address is plain again. */
const closed = `!${opened('trace')} && location.hash === ''`;

try {
  await browser.scheme('light');
  await browser.open(`${admin}/`);
  await browser.until('the page is live', "document.getElementById('live').dataset.state === 'live'");
  step('the page is live');

  let sent = await post('+14155550123', 202);
  await browser.until('the decision is shown', `document.querySelector('#decisions [data-trace="${sent}"]') !== null`);
  const row = await browser.find(`document.querySelector('#decisions [data-trace="${sent}"]').closest('tr').innerText`);
  assert.match(row, /\+1415•••0123/);
  assert.match(row, /Passed/);
  step('a decision arrives while the page is open');

  const basics =
    await browser.find(`({ headings: document.querySelectorAll('h1').length, lang: document.documentElement.lang,
    inline: document.querySelectorAll('[style], style, script:not([src])').length })`);
  assert.equal(basics.headings, 1);
  assert.equal(basics.lang, 'en');
  await accessible('light');
  await browser.scheme('dark');
  await accessible('dark');
  await browser.size(390, 844);
  await accessible('on a phone');
  const wide = await browser.find('document.documentElement.scrollWidth - document.documentElement.clientWidth');
  assert.equal(wide, 0, 'the page is wider than a phone');
  await browser.size(1440, 900);
  await browser.scheme('light');
  step('axe finds no fault: light, dark, and on a phone');
  if (shots) await traffic();
  for (const scheme of ['light', 'dark']) {
    await browser.scheme(scheme);
    await shot(scheme, 1280, 1040);
    await shot(`${scheme}-phone`, 390, 844);
  }
  await browser.scheme('light');
  if (shots) sent = await post('+14155550177', 202);

  await browser.until('the message is listed', `document.querySelector('#messages [data-trace="${sent}"]') !== null`);
  await browser.tabTo(`#messages [data-trace="${sent}"]`);
  await browser.press('Enter');
  await browser.until('its trace is open', opened('trace'));
  const timeline = await browser.find("document.querySelector('#trace .line').innerText");
  for (const part of ['Passed', 'Accepted', 'Call 1 to Plivo begins', 'Call 1: accepted'])
    assert(timeline.includes(part), `${part} is not in:\n${timeline}`);
  await accessible('a trace');
  await shot('trace', 1200, 800);
  await browser.press('Escape');
  await browser.until('its trace is closed', closed);
  assert.equal(await browser.find('document.activeElement.dataset.trace'), sent, 'the focus is back');
  await browser.find(`void (location.hash = 'message=${sent}')`);
  await browser.until('its address opens it', opened('trace'));
  await browser.press('Escape');
  await browser.until('it is closed again', closed);
  await post('+5351234567', 403);
  const first = '#decisions tbody tr:first-child';
  await browser.find('document.activeElement.blur()');
  await browser.until(
    'the refusal is shown',
    `document.querySelector('${first}').innerText.includes('country.hard_denied')`,
  );
  await browser.tabTo(`${first} [data-trace]`);
  await browser.press('Enter');
  await browser.until('its trace is open', `${opened('trace')} && document.querySelector('#trace .line') !== null`);
  const refused = await browser.find("document.querySelector('#trace .line').innerText");
  assert.match(refused, /Refused by country: country.hard_denied/);
  await browser.press('Escape');
  await browser.until('its trace is closed', closed);
  step('timelines open and close by keyboard, of what was sent and of what was refused');

  const before = await browser.find("document.querySelectorAll('#attention [data-act]').length");
  for (const act of ['release', 'cancel'])
    assert(
      await browser.find(`[...document.querySelectorAll('#attention tbody tr')].every(
        (row) => row.querySelector('[data-act="${act}"]') !== null)`),
      `what is held, and what is in doubt, can be: ${act}`,
    );
  await browser.tabTo('#attention [data-act="release"]');
  const held = await browser.find("document.activeElement.closest('tr').querySelector('[data-trace]').dataset.trace");
  await browser.press('Enter');
  await browser.until('it asks for the token', `${opened('act')} && document.activeElement.id === 'act-secret'`);
  await accessible('the question');
  await browser.press('Enter');
  await browser.until(
    'it is refused without the token',
    "document.getElementById('act-fault').innerText.includes('auth.missing')",
  );
  await browser.write('another-token');
  await browser.press('Enter');
  await browser.until(
    'it is refused with another token',
    "document.getElementById('act-fault').innerText.includes('auth.invalid')",
  );
  await browser.write(operator);
  await browser.press('Enter');
  await browser.until(
    'it is released',
    `!${opened('act')} && document.getElementById('notice').innerText.includes('released')`,
  );
  await browser.until('it is no longer listed', `document.querySelector('#attention [data-trace="${held}"]') === null`);
  step('a held message is released: not without the token, nor with another, but with it');

  await browser.tabTo('#attention [data-act="cancel"]');
  await browser.press('Enter');
  await browser.until(
    'it asks, and not for the token',
    `${opened('act')} && document.getElementById('act-token').hidden`,
  );
  await browser.until(
    'it says what is not known',
    "document.getElementById('act').innerText.includes('It may have been sent already')",
  );
  await browser.press('Enter');
  await browser.until('it is canceled', "document.getElementById('notice').innerText.includes('canceled')");
  await browser.until('nothing needs a person', "document.querySelectorAll('#attention [data-act]').length === 0");
  assert(before >= 4, 'there were a held message and one in doubt to decide');
  step('one in doubt is canceled');

  const generation = await browser.find("document.getElementById('generation').innerText");
  await browser.tabTo('#reloads [data-act="rollback"]');
  await browser.press('Enter');
  await browser.until('it asks', opened('act'));
  await browser.press('Enter');
  await browser.until(
    'it is rolled back',
    `document.getElementById('generation').innerText !== ${JSON.stringify(generation)}`,
  );
  await browser.until('and told', "document.querySelector('#reloads').innerText.includes('Rolled back')");
  step('the policies before are back');

  const page = await browser.find('document.documentElement.outerHTML');
  for (const secret of [TEXT, operator, appToken, '4155550123'])
    assert(!page.includes(secret), `${secret} is in the page`);
  const kept = await browser.find('JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])');
  assert.equal(kept, '[{},{},""]', 'what the browser keeps');
  const foreign = browser.asked.filter((url) => !url.startsWith(`${admin}/`));
  assert.deepEqual(foreign, [], 'requests that leave the sidecar');
  // The two refusals, which a browser writes down by itself.
  const complaints = browser.complaints.filter((text) => !text.includes('status of 401'));
  assert.deepEqual(complaints, [], 'what the console says');
  step('nothing whole is in the page, nothing leaves the sidecar, and the console is quiet');
} finally {
  await browser.stop();
}
