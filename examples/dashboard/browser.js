// A real Chromium, driven by its own protocol over a pipe: no port, no library.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PATIENCE_MS = 30_000;
const KEYS = { Tab: 9, Enter: 13, Escape: 27 };

export class Browser {
  #child;
  #pipe;
  #profile;
  #answers = new Map();
  #number = 0;
  #session;
  #errors = '';
  /** Every URL that the page asked for, and everything that it complained of. */
  asked = [];
  complaints = [];

  static async start() {
    const browser = new Browser();
    browser.#profile = mkdtempSync(join(tmpdir(), 'sendgate-chromium-'));
    const flags = [
      '--headless=new',
      '--remote-debugging-pipe',
      `--user-data-dir=${browser.#profile}`,
      '--no-first-run',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--no-proxy-server',
      '--hide-scrollbars',
      '--lang=en',
      'about:blank',
    ];
    // Its sandbox does not work for root, as whom containers run.
    if (process.getuid() === 0) flags.unshift('--no-sandbox');
    browser.#child = spawn(process.env.CHROMIUM ?? 'chromium', flags, {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
    });
    const ended = new Promise((_, fail) => {
      browser.#child.on('error', (error) => fail(new Error(`chromium could not be started: ${error.message}`)));
      browser.#child.on('exit', (code) => fail(new Error(`chromium ended with ${code}:\n${browser.#errors}`)));
    });
    ended.catch(() => {});
    browser.#child.stderr.on('data', (data) => {
      browser.#errors = (browser.#errors + data).slice(-4000);
    });
    browser.#pipe = browser.#child.stdio[3];
    browser.#pipe.on('error', () => {});
    let read = '';
    browser.#child.stdio[4].setEncoding('utf8').on('data', (data) => {
      const messages = (read + data).split('\0');
      read = messages.pop();
      messages.forEach((message) => browser.#heard(JSON.parse(message)));
    });
    await Promise.race([browser.#attach(), ended]);
    return browser;
  }

  async #attach() {
    const { targetInfos } = await this.call('Target.getTargets');
    const { targetId } = targetInfos.find(({ type }) => type === 'page');
    ({ sessionId: this.#session } = await this.call('Target.attachToTarget', { targetId, flatten: true }));
    for (const domain of ['Page', 'Runtime', 'Network', 'Log']) await this.call(`${domain}.enable`);
  }

  #heard({ id, result, error, method, params }) {
    if (id) {
      const { done, fail } = this.#answers.get(id);
      this.#answers.delete(id);
      return error ? fail(new Error(error.message)) : done(result);
    }
    if (method === 'Network.requestWillBeSent') this.asked.push(params.request.url);
    if (method === 'Runtime.exceptionThrown')
      this.complaints.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === 'Log.entryAdded' && params.entry.level !== 'verbose')
      this.complaints.push(`${params.entry.text} ${params.entry.url ?? ''}`);
    if (method === 'Runtime.consoleAPICalled' && ['error', 'warning'].includes(params.type))
      this.complaints.push(params.args.map(({ value }) => value).join(' '));
  }

  call(method, params = {}) {
    const id = (this.#number += 1);
    const answer = new Promise((done, fail) => this.#answers.set(id, { done, fail }));
    // What is about the whole browser is asked outside the page's session.
    const sessionId = method.startsWith('Browser.') ? undefined : this.#session;
    this.#pipe.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return answer;
  }

  async open(url, { width = 1440, height = 900 } = {}) {
    await this.size(width, height);
    await this.call('Page.navigate', { url });
  }

  size(width, height, scale = 1) {
    return this.call('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: scale, mobile: false });
  }

  scheme(value) {
    return this.call('Emulation.setEmulatedMedia', {
      features: [
        { name: 'prefers-color-scheme', value },
        { name: 'prefers-reduced-motion', value: 'reduce' },
      ],
    });
  }

  /** What `expression` is in the page. */
  async find(expression) {
    const { result, exceptionDetails } = await this.call('Runtime.evaluate', {
      expression,
      returnByValue: true,
      awaitPromise: true,
    });
    if (exceptionDetails)
      throw new Error(
        `${exceptionDetails.exception?.description ?? exceptionDetails.text}, in: ${expression.slice(0, 200)}`,
      );
    return result.value;
  }

  /** The same once it is true of the page. */
  async until(what, expression) {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      const found = await this.find(expression).catch(() => false);
      if (found) return found;
      if (Date.now() > end) {
        const shown = await this.find('document.body.innerText').catch(String);
        throw new Error(
          `not within ${PATIENCE_MS} ms: ${what}\nwhat the page shows:\n${shown}\ncomplaints: ${this.complaints}`,
        );
      }
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  async press(key, modifiers = 0) {
    const stroke = { key, code: key, windowsVirtualKeyCode: KEYS[key], modifiers };
    await this.call('Input.dispatchKeyEvent', { type: 'keyDown', ...stroke, text: key === 'Enter' ? '\r' : undefined });
    await this.call('Input.dispatchKeyEvent', { type: 'keyUp', ...stroke });
  }

  write(text) {
    return this.call('Input.insertText', { text });
  }

  /** Goes on by Tab until the focus is on what `selector` finds, as somebody without a mouse does. */
  async tabTo(selector) {
    for (let nth = 0; nth < 150; nth += 1) {
      await this.press('Tab');
      if (await this.find(`document.activeElement.matches(${JSON.stringify(selector)})`)) return;
    }
    throw new Error(`Tab does not lead to ${selector}`);
  }

  async shot(whole = false) {
    const { data } = await this.call('Page.captureScreenshot', { format: 'png', captureBeyondViewport: whole });
    return Buffer.from(data, 'base64');
  }

  async stop() {
    const gone = new Promise((done) => this.#child.on('exit', done));
    this.call('Browser.close').catch(() => {});
    const late = setTimeout(() => this.#child.kill('SIGKILL'), 5000);
    await gone;
    clearTimeout(late);
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
