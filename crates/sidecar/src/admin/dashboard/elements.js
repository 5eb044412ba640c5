// Elements, words and numbers that every part of the page is made of.

/** An element. Text is only ever text: nothing that was sent becomes markup. */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// ---- Words and numbers ----

const counts = new Intl.NumberFormat('en');
export const count = (number) => (number === null || number === undefined ? '–' : counts.format(number));

export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

export function took(us) {
  if (us === null || us === undefined) return '–';
  if (us < 1000) return `${us} µs`;
  if (us < 1e6) return `${(us / 1000).toFixed(us < 1e4 ? 1 : 0)} ms`;
  return `${(us / 1e6).toFixed(1)} s`;
}

/** How long after the beginning, of instants that have milliseconds. */
export const later = (ms) => `+${ms < 10000 ? `${count(ms)} ms` : lasting(ms / 1000)}`;

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1).replaceAll('_', ' ');

export function lasting(seconds) {
  const whole = Math.ceil(seconds);
  if (whole < 120) return `${whole} s`;
  if (whole < 7200) return `${Math.round(whole / 60)} min`;
  if (whole < 172800) return `${Math.round(whole / 3600)} h`;
  return `${Math.round(whole / 86400)} d`;
}

const two = (number) => String(number).padStart(2, '0');

/** The time of day; with the date where it was another day. */
export function time(instant, parts = false) {
  const at = new Date(instant);
  if (!instant || Number.isNaN(at.valueOf())) return h('span', {}, '–');
  let text = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  if (parts) text += `.${String(at.getMilliseconds()).padStart(3, '0')}`;
  if (at.toDateString() !== new Date().toDateString())
    text = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${text}`;
  return h('time', { datetime: at.toISOString(), title: at.toISOString(), class: 'once' }, text);
}

export const VERDICTS = [
  ['accept', 'pass', 'passed'],
  ['amend', 'amend', 'amended'],
  ['reject', 'stop', 'refused'],
  ['failure', 'fail', 'failed'],
];
const SIGNS = { pass: '✓', amend: '±', stop: '✕', fail: '!' };
export const ENDS = { cleared: ['pass', 'Passed'], refused: ['stop', 'Refused'], failed: ['fail', 'Failed'] };
export const STATES = {
  in_doubt: 'stop',
  held: 'stop',
  submitted: 'pass',
  sent: 'pass',
  delivered: 'pass',
  undelivered: 'fail',
  failed: 'fail',
  expired: 'fail',
  canceled: null,
};

/** A word with a sign and a colour, so that neither alone has to be seen. */
export const word = (tone, text) =>
  h('span', { class: 'word', 'data-tone': tone, 'data-sign': SIGNS[tone] ?? '·' }, text);
export const state = (name) => word(STATES[name], name.replace('_', ' '));

export const empty = (...children) => h('p', { class: 'empty' }, ...children);
export const unread = () => empty('The store did not answer in time. It is asked again each second.');
export const code = (text) => h('code', {}, text);
export const head = (...cells) =>
  h(
    'thead',
    {},
    h(
      'tr',
      {},
      cells.map(([text, kind]) => h('th', { scope: 'col', class: kind }, text)),
    ),
  );
export const table = (name, heads, rows) =>
  h('table', {}, h('caption', { class: 'unseen' }, name), head(...heads), h('tbody', {}, rows));
export const hidden = (text) => h('span', { class: 'unseen' }, text);

export function bar(share, tone) {
  const filled = h('span', { 'data-tone': tone });
  filled.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return h('span', { class: 'bar', 'aria-hidden': 'true' }, filled);
}

// ---- What can be pressed ----

const short = (id) => (id.length > 18 ? `${id.slice(0, 8)}…${id.slice(-6)}` : id);
export const opener = (message, open, prefix) =>
  h(
    'button',
    {
      type: 'button',
      class: 'link mono',
      'data-focus': `${prefix}-${message.id}`,
      'data-trace': message.id,
      onclick: () => open(message.id),
      'aria-haspopup': 'dialog',
    },
    hidden('Trace of message '),
    short(message.id),
  );

export function buttons(message, act, prefix) {
  const button = (what, text) =>
    h(
      'button',
      {
        type: 'button',
        'data-focus': `${prefix}-${what}-${message.id}`,
        'data-act': what,
        onclick: () => act(what, message),
        'aria-haspopup': 'dialog',
      },
      text,
      hidden(` message ${message.id.slice(-6)}`),
    );
  return h(
    'div',
    { class: 'actions' },
    ['held', 'in_doubt'].includes(message.status) && button('release', 'Release'),
    button('cancel', 'Cancel'),
  );
}
