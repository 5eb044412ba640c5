// How each part looks. Functions from what the sidecar tells to elements; nothing here asks, remembers or changes.
import {
  ENDS,
  STATES,
  VERDICTS,
  bar,
  buttons,
  code,
  count,
  empty,
  h,
  hidden,
  lasting,
  opener,
  plural,
  state,
  table,
  time,
  took,
  unread,
  word,
} from '/dashboard/elements.js';

// ---- Now ----

/** The first account that sends are held back for; the others go on. */
function shut({ plivo, accounts }) {
  const all = [['', plivo], ...Object.entries(accounts)];
  const found = all.find(([, { breaker }]) => breaker !== 'closed');
  return found && { ...found[1], of: found[0] && ` by the account ${found[0]}` };
}

export function banner(now) {
  const { ready, policies } = now;
  const tell = (level, what, more) => ({ level, what, more });
  if (ready.causes.length > 0) {
    return tell('bad', 'Not ready.', ready.causes.map(({ cause, detail }) => `${cause}: ${detail}`).join('; '));
  }
  const held = shut(ready);
  if (held) {
    return tell('bad', `Sends to Plivo${held.of} are held back: the breaker is ${held.breaker}.`, held.reason);
  }
  const gone = Object.keys(ready.accounts_gone);
  if (gone.length > 0) {
    return tell('warn', 'Messages wait for accounts that the configuration does not have:', `${gone.join(', ')}.`);
  }
  if (ready.shared_trouble) return tell('warn', 'What replicas share cannot be used.', ready.shared_trouble);
  if (ready.policies_tripped.length > 0) {
    return tell('warn', 'Failing too often, and not asked for now:', `${ready.policies_tripped.join(', ')}.`);
  }
  if (policies.reload.refused) {
    const { faults } = policies.reload.refused;
    return tell('warn', `A change was refused; generation ${policies.generation} goes on.`, faults[0]);
  }
  if (policies.rollback) {
    return tell(
      'warn',
      'A rollback stands.',
      `The policies are those of generation ${policies.rollback.to}, until ${policies.rollback.until}.`,
    );
  }
  return tell(
    'good',
    'All is well: sends are taken, and can leave.',
    ready.store.startsWith('ephemeral') ? 'The store is in memory; nothing survives a restart.' : null,
  );
}

/** Decisions in a second, lately: the shape of the traffic, its number stands beside it. */
function spark(rates) {
  const name = 'http://www.w3.org/2000/svg';
  const [width, height, most] = [84, 30, Math.max(1, ...rates)];
  const across = (nth) => ((nth / Math.max(1, rates.length - 1)) * width).toFixed(1);
  const at = (rate, nth) => `${across(nth)},${(height - 2 - (rate / most) * (height - 4)).toFixed(1)}`;
  const svg = document.createElementNS(name, 'svg');
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.setAttribute('aria-hidden', 'true');
  const line = document.createElementNS(name, 'polyline');
  for (const [key, value] of [
    ['points', rates.map(at).join(' ')],
    ['fill', 'none'],
    ['stroke', 'currentColor'],
    ['stroke-width', '1.5'],
    ['stroke-linejoin', 'round'],
    ['vector-effect', 'non-scaling-stroke'],
  ])
    line.setAttribute(key, value);
  svg.append(line);
  return svg;
}

export function figures(now, rates) {
  const { ready, decisions, in_doubt, held } = now;
  const figure = (name, value, note, level, extra) =>
    h(
      'div',
      { 'data-level': level },
      h('dt', {}, name),
      h('dd', {}, value),
      extra,
      note && h('dd', { class: 'note' }, note),
    );
  const rate = rates.at(-1) ?? 0;
  const doubts = ready.in_doubt ?? in_doubt?.messages.length;
  const holds = ready.held ?? held?.messages.length;
  const people = (doubts ?? 0) + (holds ?? 0);
  const stopped = decisions.recent_stopped;
  const share = decisions.recent
    ? `${((stopped / decisions.recent) * 100).toFixed(stopped && stopped / decisions.recent < 0.1 ? 1 : 0)}`
    : '–';
  const open = shut(ready);
  const heldBack = [ready.plivo, ...Object.values(ready.accounts)].reduce((sum, each) => sum + each.senders_held_back, 0);
  return [
    figure(
      'Decisions',
      [rate < 10 ? rate.toFixed(1) : count(Math.round(rate)), h('small', {}, ' /s')],
      `${count(decisions.total)} since the start`,
      null,
      rates.length > 4 && spark(rates),
    ),
    figure(
      'Stopped by policies',
      [share, decisions.recent ? h('small', {}, ' %') : null],
      decisions.recent ? `${count(stopped)} of the last ${count(decisions.recent)}` : 'no message yet',
    ),
    figure(
      'Waiting for their call',
      count(ready.waiting),
      ready.oldest_waiting_s ? `the oldest for ${lasting(ready.oldest_waiting_s)}` : 'nothing is late',
    ),
    figure(
      'Need a person',
      count(people),
      people ? `${count(doubts)} in doubt, ${count(holds)} held` : 'nothing in doubt or held',
      people ? 'warn' : null,
    ),
    figure(
      'Plivo',
      open ? open.breaker : 'Well',
      open
        ? open.reason + open.of
        : heldBack
          ? `${plural(heldBack, 'sender')} held back`
          : 'no sender is held back',
      open ? 'bad' : null,
    ),
  ];
}

// ---- Policies ----

function mixOf(said) {
  const parts = VERDICTS.map(([verdict, tone]) => {
    const part = h('span', { 'data-tone': tone });
    part.style.flexGrow = said[verdict];
    return said[verdict] > 0 && part;
  });
  return h('div', { class: 'mix', 'aria-hidden': 'true' }, parts);
}

function trialOf(candidate) {
  if (!candidate) return null;
  const differed = Object.entries(candidate.differed)
    .filter(([, times]) => times > 0)
    .map(([kind, times]) => `${count(times)} ${kind.replaceAll('_', ' ')}`);
  const differing = differed.length ? `differing: ${differed.join(', ')}` : 'none differs';
  const sums = `${plural(candidate.compared, 'message')} compared, ${differing}`;
  return h(
    'span',
    { class: 'sub' },
    `candidate ${candidate.version}, ${candidate.standing.replaceAll('_', ' ')}: ${sums}`,
  );
}

export function policies(now) {
  const listed = now.policies.policies;
  if (listed.length === 0) {
    return empty(
      'No policy is in force: every message is sent as it is. Add one under ',
      code('[[policies]]'),
      ' in the configuration; it comes into force without a restart.',
    );
  }
  const rows = listed.map((policy) => {
    const said = now.mix[policy.name];
    const tripped = policy.error_budget?.tripped_for_s;
    const cells = said
      ? [
          h('td', { class: 'mid' }, mixOf(said)),
          VERDICTS.map(([verdict, tone]) =>
            h(
              'td',
              {
                class: `number${said[verdict] ? '' : ' zero'}${verdict === 'amend' ? ' mid' : ''}`,
                'data-tone': said[verdict] && verdict !== 'accept' ? tone : null,
              },
              count(said[verdict]),
            ),
          ),
          h('td', { class: 'number' }, took(said.p50_us)),
          h('td', { class: 'number wide' }, took(said.p99_us)),
        ]
      : h('td', { colspan: 7, class: 'quiet' }, 'not asked yet');
    return h(
      'tr',
      {},
      h(
        'th',
        { scope: 'row' },
        policy.name,
        ' ',
        h('span', { class: 'quiet plain' }, policy.version),
        policy.mode !== 'enforce' && h('span', { class: 'tag' }, policy.mode),
        tripped && h('span', { class: 'tag', 'data-tone': 'fail' }, `not asked for ${lasting(tripped)}`),
        policy.apps && h('span', { class: 'sub' }, `for ${policy.apps.join(', ')}`),
        trialOf(policy.candidate),
      ),
      cells,
    );
  });
  const heads = [
    ['Policy'],
    ['Mix', 'mid'],
    ['Passed', 'number'],
    ['Amended', 'number mid'],
    ['Refused', 'number'],
    ['Failed', 'number'],
    ['Median', 'number'],
    ['99 %', 'number wide'],
  ];
  return table('Verdicts of each policy, and how long it took', heads, rows);
}

// ---- Decisions ----

const codesOf = (decision) =>
  decision.code ?? decision.policies.flatMap((each) => (each.mode === 'enforce' ? each.codes : [])).join(', ');
export const total = (decision) =>
  decision.policies.filter((each) => each.mode !== 'candidate').reduce((sum, each) => sum + each.us, 0);

export const DECISIONS = [['Time'], ['App', 'mid'], ['To'], ['Outcome'], ['Type', 'wide'], ['Took', 'number mid']];

export function decision(seen, open) {
  const [tone, text] = ENDS[seen.end];
  return h(
    'tr',
    { 'data-key': String(seen.number) },
    h(
      'td',
      {},
      h(
        'button',
        {
          type: 'button',
          class: 'link',
          'data-focus': `trace-${seen.number}`,
          'data-trace': seen.id,
          onclick: () => open(seen.id),
          'aria-haspopup': 'dialog',
        },
        hidden('Trace of the message of '),
        time(seen.at),
      ),
    ),
    h('td', { class: 'mid' }, seen.app),
    h('td', { class: 'mono once' }, seen.to),
    h(
      'td',
      {},
      word(tone, text),
      seen.policy ? ` by ${seen.policy}` : '',
      codesOf(seen) && [' ', h('span', { class: 'code' }, codesOf(seen))],
    ),
    h('td', { class: 'wide' }, seen.type),
    h('td', { class: 'number mid' }, took(total(seen))),
  );
}

export const noDecisions = () =>
  empty(
    'No message has been decided since the start. Each one appears here as its policies decide; ',
    code('POST /v1/messages'),
    ' on the apps’ listener sends one.',
  );

// ---- Messages ----

export function attention(now, open, act) {
  const { in_doubt, held } = now;
  if (!in_doubt || !held) return unread();
  const all = [...held.messages, ...in_doubt.messages];
  if (all.length === 0) {
    return empty(
      'Nothing is in doubt or held. When the answer to a call to Plivo is lost, the message waits here until a ' +
        'delivery report, Plivo’s list, or you settle it. What they cannot settle may be held for you to release or cancel.',
    );
  }
  const rows = all.map((message) =>
    h(
      'tr',
      {},
      h('td', {}, opener(message, open, 'need')),
      h('td', {}, state(message.status), message.error_code && h('span', { class: 'sub mono' }, message.error_code)),
      h('td', { class: 'mid' }, message.app),
      h('td', { class: 'mono once mid' }, message.to ?? '–'),
      h('td', { class: 'wide' }, time(message.created_at)),
      h('td', { class: 'wide' }, 'until ', time(message.deadline)),
      h('td', {}, buttons(message, act, 'need')),
    ),
  );
  const heads = [
    ['Message'],
    ['State'],
    ['App', 'mid'],
    ['To', 'mid'],
    ['Accepted', 'wide'],
    ['Worth sending', 'wide'],
    ['Decide', 'number'],
  ];
  return [
    table('Messages that need a person', heads, rows),
    (in_doubt.more || held.more) && empty('There are more: ', code('sendgate messages list --status held')),
  ];
}

export function messages(now, open) {
  if (!now.messages) return unread();
  const listed = now.messages.messages;
  if (listed.length === 0)
    return empty('No message has been accepted yet. What policies refuse is above, and is not kept.');
  const rows = listed.map((message) =>
    h(
      'tr',
      {},
      h('td', {}, opener(message, open, 'new')),
      h('td', {}, state(message.status), message.error_code && h('span', { class: 'sub mono' }, message.error_code)),
      h('td', { class: 'mid' }, message.app),
      h('td', { class: 'mono once mid' }, message.to ?? '–'),
      h('td', { class: 'number wide' }, count(message.calls)),
      h('td', { class: 'number mid' }, time(message.created_at)),
    ),
  );
  return table(
    'The newest messages',
    [['Message'], ['State'], ['App', 'mid'], ['To', 'mid'], ['Calls', 'number wide'], ['Accepted', 'number mid']],
    rows,
  );
}

export function states(now) {
  if (!now.states) return unread();
  if (now.states.length === 0) return empty('No message yet.');
  const all = now.states.reduce((sum, each) => sum + each.messages, 0);
  const rows = now.states.map((each) =>
    h(
      'tr',
      {},
      h('th', { scope: 'row' }, state(each.state)),
      h('td', { class: 'share' }, bar(each.messages / all, STATES[each.state])),
      h('td', { class: 'number' }, count(each.messages)),
    ),
  );
  return table('Messages by their state', [['State'], [hidden('Share')], ['Messages', 'number']], rows);
}

// ---- Limits, queue ----

export function limits(now) {
  if (!now.limits) return empty('The ledger of limits did not answer. It is asked again each second.');
  if (now.limits.length === 0) {
    return empty(
      'No limit was charged lately. The policies ',
      code('throttle'),
      ' and ',
      code('budget'),
      ' keep limits; what is left of each shows here once a message was charged.',
    );
  }
  return h(
    'ul',
    { class: 'rows' },
    now.limits.map((limit) => {
      const share = limit.most ? limit.left / limit.most : 0;
      const tone = share === 0 ? 'fail' : share <= 0.2 ? 'stop' : 'pass';
      const often = limit.per_s ? `per ${lasting(limit.per_s)}` : `per ${limit.period}`;
      const span = limit.rate ? `${count(limit.rate)} per ${lasting(limit.per_s)}` : often;
      const keys = limit.keys > 1 ? `, tightest of ${count(limit.keys)}` : '';
      const whose = `${limit.policy} · ${limit.limit}`;
      const full =
        limit.left < limit.most ? `${limit.left === 0 ? 'room in' : 'more in'} ${lasting(limit.reset_s)}` : 'unused';
      return h(
        'li',
        {},
        h(
          'div',
          { class: 'pair' },
          h('span', {}, whose),
          h('span', {}, h('b', {}, count(limit.left)), ` of ${count(limit.most)} left`),
        ),
        bar(share, tone),
        h('div', { class: 'pair quiet' }, h('span', {}, `app ${limit.app}, ${span}${keys}`), h('span', {}, full)),
      );
    }),
  );
}

export function queue(now) {
  const { lanes, ready } = now;
  const waiting = lanes.reduce((sum, lane) => sum + lane.messages, 0);
  const rows = lanes.map((lane) =>
    h(
      'tr',
      {},
      h('th', { scope: 'row' }, lane.lane),
      h('td', { class: lane.messages ? 'number' : 'number zero' }, count(lane.messages)),
      h('td', { class: 'number' }, lane.messages ? lasting(lane.oldest_s) : '–'),
    ),
  );
  return [
    lanes.length > 0 && waiting > 0
      ? table(
          'Messages that wait for their call, by lane',
          [['Lane'], ['Messages', 'number'], ['Oldest', 'number']],
          rows,
        )
      : empty(
          'Nobody waits for a call to Plivo.',
          ready.waiting > 0
            ? ` ${plural(ready.waiting, 'message waits', 'messages wait')} for its time, or for what was in doubt.`
            : '',
        ),
  ];
}

// ---- Reloads ----

const CHANGES = {
  started: [null, 'Started'],
  reloaded: ['pass', 'Reloaded'],
  refused: ['fail', 'Refused'],
  rolled_back: ['stop', 'Rolled back'],
  promoted: ['amend', 'Promoted'],
};

const moduleOf = ({ version, digest }) => `${version} (${digest.slice(0, 15)})`;

/** What is otherwise in the policies of `kept` than in those in force. */
export function otherwise(now, kept) {
  const inForce = now.policies.policies;
  const named = (list, name) => list.find((each) => each.name === name);
  const lines = inForce
    .filter((policy) => !named(kept.policies, policy.name))
    .map((policy) => `${policy.name} is not asked`);
  for (const policy of kept.policies) {
    const current = named(inForce, policy.name);
    if (!current) lines.push(`${policy.name} ${policy.version} is asked again`);
    else if (current.digest !== policy.digest) {
      lines.push(`${policy.name}: the module ${moduleOf(policy)} in the place of ${moduleOf(current)}`);
    }
  }
  return lines.length ? lines : ['the same modules, under the settings and rules of then'];
}

export function reloads(now, act) {
  const { kept, reload } = now.policies;
  const first = kept.findIndex((each) => !each.rolled_back);
  const back = kept.map((each, nth) =>
    h(
      'li',
      { class: 'pair' },
      h(
        'div',
        {},
        `Generation ${each.generation}`,
        each.rolled_back && h('span', { class: 'tag' }, 'rolled back from'),
        h('span', { class: 'sub' }, otherwise(now, each).slice(0, 2).join('; ')),
      ),
      h(
        'button',
        {
          type: 'button',
          class: nth === first ? 'primary' : null,
          'data-focus': `back-${each.generation}`,
          'data-act': 'rollback',
          onclick: () => act('rollback', each),
          'aria-haspopup': 'dialog',
        },
        'Roll back',
        hidden(` to generation ${each.generation}`),
      ),
    ),
  );
  const past = reload.history.map((change) => {
    const [tone, text] = CHANGES[change.change];
    const many = change.reasons.length > 3;
    const reasons = (some) =>
      h(
        'ul',
        { class: 'reasons' },
        some.map((reason) => h('li', {}, reason)),
      );
    return h(
      'li',
      {},
      h(
        'div',
        { class: 'pair' },
        h(
          'span',
          {},
          word(tone, text),
          change.times > 1 ? ` ${count(change.times)} times` : '',
          change.change === 'refused'
            ? `; generation ${change.generation} goes on`
            : ` · generation ${change.generation}`,
        ),
        h('span', { class: 'quiet' }, time(change.at)),
      ),
      change.reasons.length > 0 && reasons(change.reasons.slice(0, 3)),
      many &&
        h(
          'details',
          {},
          h('summary', { class: 'quiet' }, `${count(change.reasons.length - 3)} more`),
          reasons(change.reasons.slice(3)),
        ),
    );
  });
  return [
    h('h3', { class: 'part' }, 'Can be returned to'),
    h(
      'ul',
      { class: 'rows' },
      back.length
        ? back
        : h(
            'li',
            { class: 'quiet' },
            'Nothing yet. The policies before the ones in force are kept when a reload replaces them.',
          ),
    ),
    h('h3', { class: 'part' }, 'What happened'),
    h('ul', { class: 'rows' }, past),
  ];
}
