// What the page knows, what it asks for, and what it changes. How things look is in views.js.
import { count, h, plural } from '/dashboard/elements.js';
import { trace } from '/dashboard/trace.js';
import * as views from '/dashboard/views.js';

const $ = (id) => document.getElementById(id);
const ROWS = 18;
const SAMPLE_MS = 2000;
const SAMPLES = 45;

let now = null;
/** The latest first. */
let decisions = [];
/** Whose numbers they have. */
let process = null;
let missed = 0;
let paused = false;
let held = 0;
/** The operator's token: here and nowhere else. */
let token = '';
let opened = null;
const rates = [];

// ---- Telling people ----

let noticeEnds = 0;
function notice(text) {
  $('notice').textContent = text;
  clearTimeout(noticeEnds);
  noticeEnds = setTimeout(() => {
    $('notice').textContent = '';
  }, 8000);
}
const said = new Map();
/** Says what changed to those who listen, once. */
function say(what, text) {
  if (said.get(what) === text) return;
  const first = !said.has(what);
  said.set(what, text);
  if (!first) $('said').textContent = text;
}

// ---- Showing ----

/** Puts `made` in the place of what `section` shows, and the focus back where it was. */
function put(section, made) {
  const body = $(section).querySelector('.body') ?? $(section);
  const had = body.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  const details = [...body.querySelectorAll('details')].map((each) => each.open);
  body.replaceChildren(...[made].flat().filter(Boolean));
  body.querySelectorAll('details').forEach((each, nth) => {
    each.open = details[nth] ?? false;
  });
  if (had) body.querySelector(`[data-focus="${CSS.escape(had)}"]`)?.focus({ preventScroll: true });
  scrolls(body);
}

/** What can be scrolled can be scrolled by keys. */
function scrolls(body) {
  if (!body.classList.contains('body')) return;
  const wide = body.scrollWidth > body.clientWidth;
  if (wide) {
    body.tabIndex = 0;
    body.setAttribute('role', 'group');
    body.setAttribute('aria-labelledby', body.closest('section').getAttribute('aria-labelledby'));
  } else {
    for (const name of ['tabindex', 'role', 'aria-labelledby']) body.removeAttribute(name);
  }
}

/** Puts the focus on what was pressed, or on what took its place; where its row has gone, nearby. */
function back(from) {
  if (!from) return;
  const inTrace = $('trace').open;
  const key = from.dataset?.focus;
  const now = from.isConnected ? from : key && document.querySelector(`[data-focus="${CSS.escape(key)}"]`);
  (now || (inTrace ? $('trace-title') : $('main'))).focus({ preventScroll: true });
}

const drawn = new Map();
/** Draws a section where what it is made of changed. */
function draw(section, of, make) {
  const mark = JSON.stringify(of);
  if (drawn.get(section) === mark) return;
  drawn.set(section, mark);
  put(section, make());
}

function show() {
  const { level, what, more } = views.banner(now);
  if ($('banner').textContent !== `${what} ${more ?? ''}`) {
    $('banner').dataset.level = level;
    $('banner').replaceChildren(`${what} `, h('span', {}, more ?? ''));
  }
  say('banner', what);
  $('generation').textContent = `${now.version} · generation ${now.policies.generation}`;
  say('generation', `Generation ${now.policies.generation} is in force`);
  figures();
  draw('attention', [now.in_doubt, now.held], () => views.attention(now, open, act));
  const people = (now.held?.messages.length ?? 0) + (now.in_doubt?.messages.length ?? 0);
  $('attention').dataset.level = people ? 'warn' : '';
  $('attention-note').textContent = people && !now.operable ? 'Deciding is off: set [listen] admin_token' : '';
  say(
    'attention',
    people ? `${plural(people, 'message needs', 'messages need')} a person` : 'No message needs a person',
  );
  draw('policies', [now.policies.policies, now.mix], () => views.policies(now));
  $('policies-note').textContent = now.decisions.recent ? `of the last ${plural(now.decisions.recent, 'message')}` : '';
  draw('limits', now.limits, () => views.limits(now));
  draw('queue', [now.lanes, now.ready.waiting], () => views.queue(now));
  draw('states', now.states, () => views.states(now));
  $('states-note').textContent = now.states?.length
    ? `of the newest ${count(now.states.reduce((sum, each) => sum + each.messages, 0))}`
    : '';
  draw('messages', now.messages, () => views.messages(now, open));
  draw('reloads', [now.policies.kept, now.policies.reload, now.policies.policies.map((each) => each.digest)], () =>
    views.reloads(now, act),
  );
  if (decisions.length === 0) draw('decisions', 'none', views.noDecisions);
}

function figures() {
  if (now) draw('figures', [now.ready, now.decisions, rates], () => views.figures(now, rates));
}

function showDecisions(fresh) {
  const section = $('decisions').querySelector('.body');
  // Whoever is in the list by keyboard is not to lose the row under the hands.
  const still = paused || section.contains(document.activeElement);
  if (still) {
    held += fresh.length;
  } else {
    let rows = section.querySelector('tbody');
    if (!rows || fresh === decisions) {
      put(
        'decisions',
        h(
          'table',
          {},
          h('caption', { class: 'unseen' }, 'Decisions, the latest first'),
          h(
            'thead',
            {},
            h(
              'tr',
              {},
              views.DECISIONS.map(([text, kind]) => h('th', { scope: 'col', class: kind }, text)),
            ),
          ),
          h('tbody', {}),
        ),
      );
      drawn.delete('decisions');
      rows = section.querySelector('tbody');
    }
    for (const seen of fresh.slice(0, ROWS).reverse()) {
      const row = views.decision(seen, open);
      row.classList.add('fresh');
      rows.prepend(row);
    }
    while (rows.children.length > ROWS) rows.lastElementChild.remove();
    scrolls(section);
  }
  const notes = [
    held ? `${count(held)} new, shown when you go on` : '',
    missed ? `${count(missed)} not shown: too many at once` : '',
  ];
  $('decisions-note').textContent = notes.filter(Boolean).join(' · ');
}

function goOn() {
  if (paused || held === 0) return;
  held = 0;
  showDecisions(decisions);
}

// ---- Listening ----

function live(state, text) {
  $('live').dataset.state = state;
  $('live').lastElementChild.textContent = text;
  say('live', text);
}

function listen() {
  const events = new EventSource('/dashboard/events');
  events.addEventListener('state', ({ data }) => {
    live('live', 'Live');
    now = JSON.parse(data);
    if (rates.length === 0) sample();
    show();
    if (opened) refresh();
  });
  events.addEventListener('decisions', ({ data }) => {
    const news = JSON.parse(data);
    missed += news.dropped;
    // Numbers begin again with each process.
    if (news.process !== process) decisions = [];
    process = news.process;
    const fresh = news.decisions.filter((seen) => decisions.every((known) => known.number !== seen.number)).reverse();
    decisions = [...fresh, ...decisions].slice(0, 200);
    if (fresh.length > 0 || news.dropped > 0) showDecisions(fresh);
  });
  events.addEventListener('error', () => {
    live('lost', 'Not connected; trying again');
    // A browser gives up where it was told no, such as where too many watch.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
  });
}

let counted = null;
function sample() {
  if (!now) return;
  const [total, at] = [now.decisions.total, performance.now()];
  if (counted) rates.push(Math.max(0, total - counted.total) / ((at - counted.at) / 1000));
  else rates.push(0);
  counted = { total, at };
  if (rates.length > SAMPLES) rates.shift();
  figures();
}

// ---- One message ----

async function open(id) {
  opened = { id, from: document.activeElement };
  $('trace-title').textContent = `Message ${id}`;
  $('trace-body').replaceChildren();
  await refresh();
  if (!opened) return;
  history.replaceState(null, '', `#message=${encodeURIComponent(id)}`);
  if (!$('trace').open) $('trace').showModal();
  $('trace-title').focus();
}

async function refresh() {
  const { id } = opened;
  const seen = decisions.find((each) => each.id === id);
  // What was not cleared has no record.
  const kept = !seen || seen.end === 'cleared';
  const answer = kept ? await fetch(`/messages/${encodeURIComponent(id)}`).catch(() => null) : null;
  const record = answer?.ok ? await answer.json() : null;
  if (opened?.id !== id) return;
  if (!record && !seen) {
    opened = null;
    if ($('trace').open) $('trace').close();
    history.replaceState(null, '', location.pathname);
    return notice(answer?.status === 404 ? `No message has the id ${id}` : 'The sidecar did not answer');
  }
  const mark = JSON.stringify([record, seen?.number]);
  if (opened.mark === mark) return;
  opened.mark = mark;
  put('trace-body', trace(seen, record, act));
}

// ---- Changing ----

const which = ({ id, app, to, account }) =>
  h('p', { class: 'mono' }, `${id}, of ${app}${to ? `, to ${to}` : ''}, by Plivo’s account ${account}`);

const ACTS = {
  release: (message) => ({
    path: `/messages/${encodeURIComponent(message.id)}/release`,
    title: 'Release this message?',
    text: [
      which(message),
      'It is sent, whatever became of its first call. Look at Plivo first, by its number and time, or its recipient ' +
        'may get it twice.',
    ],
    go: 'Release',
    done: () => `Message ${message.id.slice(-6)} is released`,
  }),
  cancel: (message) => ({
    path: `/messages/${encodeURIComponent(message.id)}/cancel`,
    title: 'Cancel this message?',
    text: [
      which(message),
      // What the sidecar says of it then: a call that was given up may have sent it, too.
      ['held', 'in_doubt'].includes(message.status) || message.attempts?.some((call) => call.given_up_at)
        ? 'It may have been sent already. It is not tried again, and nobody looks for it any more.'
        : 'It is not sent, and its app is told so.',
    ],
    go: 'Cancel it',
    done: (body) => body.detail ?? `Message ${message.id.slice(-6)} is canceled`,
  }),
  rollback: (kept) => ({
    path: `/rollback?to=${kept.generation}`,
    title: `Roll back to generation ${kept.generation}?`,
    text: [
      'At once, for new requests. Apps, secrets and Plivo’s account stay as they are, and so does what policies ' +
        'remember. Then:',
      h(
        'ul',
        {},
        views.otherwise(now, kept).map((line) => h('li', {}, line)),
      ),
    ],
    go: 'Roll back',
    done: (body) => `Generation ${body.generation} is in force, with the policies of generation ${body.to}`,
  }),
  token: () => ({
    title: 'Enter the operator’s token',
    text: ['It is asked for when something is changed; reading needs none.'],
    go: 'Keep it',
    done: () => 'The token is kept until this page is closed',
  }),
};

let acting = null;
function act(what, subject) {
  acting = { ...ACTS[what](subject), from: document.activeElement };
  $('act-title').textContent = acting.title;
  $('act-text').replaceChildren(...acting.text.map((part) => (typeof part === 'string' ? h('p', {}, part) : part)));
  $('act-go').textContent = acting.go;
  $('act-fault').textContent = '';
  $('act-secret').value = '';
  $('act-token').hidden = token !== '' || (!now?.operable && acting.path !== undefined);
  $('act').showModal();
  ($('act-token').hidden ? $('act-go') : $('act-secret')).focus();
}

async function send(event) {
  event.preventDefault();
  const given = token || $('act-secret').value;
  $('act-go').disabled = true;
  const fault = await tell(acting, given);
  $('act-go').disabled = false;
  $('act-secret').value = '';
  if (fault) {
    $('act-fault').textContent = fault;
    return ($('act-token').hidden ? $('act-go') : $('act-secret')).focus();
  }
  $('act').close();
}

/** Does it; what is wrong, where something is. */
async function tell({ path, done }, given) {
  if (/[^\x21-\x7e]/.test(given)) return 'This is no token: it has what no header can carry. Nothing was asked.';
  if (path === undefined) {
    keep(given);
    notice(given ? done() : 'No token is kept');
    return null;
  }
  const headers = given ? { authorization: `Bearer ${given}` } : {};
  const answer = await fetch(path, { method: 'POST', headers }).catch(() => null);
  if (!answer) return 'The sidecar did not answer. Look whether it was done before you try again.';
  const body = await answer.json().catch(() => ({}));
  if (answer.status === 401) {
    keep('');
    $('act-token').hidden = false;
  }
  if (!answer.ok) return `${body.code ?? answer.status}: ${body.error ?? 'the sidecar says no'}`;
  keep(given);
  notice(done(body));
  if (opened) refresh();
  return null;
}

function keep(given) {
  token = given;
  $('token').textContent = token ? 'Forget token' : 'Enter token';
  if (token) $('token').removeAttribute('aria-haspopup');
  else $('token').setAttribute('aria-haspopup', 'dialog');
}

// ---- The page's own ----

const THEMES = ['system', 'light', 'dark'];
function theme(name) {
  document.documentElement.dataset.theme = name;
  $('theme').textContent = `Theme: ${name}`;
}
const remembered = () => {
  try {
    return localStorage.getItem('theme');
  } catch {
    return null;
  }
};
theme(THEMES.includes(remembered()) ? remembered() : 'system');
$('theme').addEventListener('click', () => {
  const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
  theme(next);
  try {
    localStorage.setItem('theme', next);
  } catch {
    /* It lasts as long as the page then. */
  }
});
$('pause').addEventListener('click', () => {
  paused = !paused;
  $('pause').setAttribute('aria-pressed', String(paused));
  goOn();
});
$('decisions')
  .querySelector('.body')
  .addEventListener('focusout', () =>
    setTimeout(() => {
      if (!$('decisions').querySelector('.body').contains(document.activeElement)) goOn();
    }),
  );
$('token').addEventListener('click', () => {
  if (!token && now && !now.operable) return notice('Deciding is off: set [listen] admin_token');
  if (!token) return act('token');
  keep('');
  notice('The token is forgotten');
});
$('find').addEventListener('submit', (event) => {
  event.preventDefault();
  const id = $('find-id').value.trim();
  if (id) open(id);
});
$('act-form').addEventListener('submit', send);
$('act-back').addEventListener('click', () => $('act').close());
$('act').addEventListener('close', () => {
  $('act-secret').value = '';
  back(acting?.from);
  acting = null;
});
$('trace-close').addEventListener('click', () => $('trace').close());
$('trace').addEventListener('close', () => {
  back(opened?.from);
  opened = null;
  history.replaceState(null, '', location.pathname);
});
$('trace').addEventListener('click', (event) => {
  if (event.target === $('trace')) $('trace').close();
});
new ResizeObserver(() => document.querySelectorAll('.body').forEach(scrolls)).observe($('main'));

setInterval(sample, SAMPLE_MS);
listen();
function follow() {
  const linked = new URLSearchParams(location.hash.slice(1)).get('message');
  if (linked && linked !== opened?.id) open(linked);
}
addEventListener('hashchange', follow);
follow();
