// One message, in the order of time.
import {
  ENDS,
  STATES,
  VERDICTS,
  bar,
  buttons,
  capital,
  code,
  count,
  empty,
  h,
  later,
  plural,
  state,
  time,
  took,
  word,
} from '/dashboard/elements.js';

const at = (instant) => (instant ? new Date(instant).valueOf() : 0);

function asked(policies) {
  const most = Math.max(1, ...policies.map((each) => each.us));
  return h(
    'ul',
    { class: 'asked' },
    policies.map((each) => {
      const [, tone, text] = VERDICTS.find(([verdict]) => verdict === each.verdict) ?? [null, 'fail', each.verdict];
      const mode = each.mode ?? (each.enforced ? 'enforce' : 'shadow');
      const notes = [...each.codes, ...(each.notes ?? []).map((note) => `${note.key}: ${note.value}`)];
      return h(
        'li',
        {},
        h('span', {}, each.policy, mode !== 'enforce' && h('span', { class: 'tag' }, mode)),
        word(tone, text),
        bar(each.us / most),
        h('span', { class: 'number' }, took(each.us)),
        notes.length > 0 && h('span', { class: 'sub mono' }, notes.join(' · ')),
      );
    }),
  );
}

/** All that is known of a message, in the order of time. Its decision or its record may be missing. */
export function steps(seen, record) {
  const found = [];
  const step = (instant, tone, what, more, extra) => found.push({ instant, tone, what, more, extra });
  const policies = seen?.policies ?? record?.decisions ?? [];
  if (policies.length > 0) {
    const [tone, text] = ENDS[seen?.end ?? 'cleared'];
    const by = seen?.policy ? ` by ${seen.policy}: ${seen.code}` : '';
    const sum = took(policies.reduce((all, each) => all + each.us, 0));
    step(
      seen?.at ?? record.created_at,
      tone,
      `${text}${by}`,
      `${plural(policies.length, 'policy was', 'policies were')} asked, in ${sum}`,
      asked(policies),
    );
  }
  if (record) {
    step(record.created_at, 'pass', 'Accepted', 'written down: from here on it is not lost');
    for (const call of record.attempts) {
      const outcome = call.outcome ?? 'under way';
      const tone = { accepted: 'pass', rejected: 'fail', 'not-sent': 'stop', 'in-doubt': 'stop' }[outcome];
      step(call.started_at, null, `Call ${call.number} to Plivo begins`);
      if (call.ended_at)
        step(
          call.ended_at,
          tone,
          `Call ${call.number}: ${outcome.replace('-', ' ')}`,
          [
            call.http_status && `HTTP ${call.http_status}`,
            call.code,
            `after ${count(at(call.ended_at) - at(call.started_at))} ms`,
          ]
            .filter(Boolean)
            .join(' · '),
        );
      if (call.given_up_at)
        step(
          call.given_up_at,
          'stop',
          `Call ${call.number} given up`,
          'sent on its way again, although Plivo may have it from this call',
        );
    }
    for (const event of record.events) {
      const told = record.events_go_to
        ? `${record.events_go_to} was told ${plural(event.tries, 'time')}${event.fault ? `: ${event.fault}` : ''}`
        : 'for GET /v1/events';
      step(event.at, STATES[event.state], capital(event.state), [event.code, told].filter(Boolean).join(' · '));
    }
  }
  // What came in one millisecond stays in the order of the way.
  return found.map((each, nth) => ({ ...each, nth })).sort((a, b) => at(a.instant) - at(b.instant) || a.nth - b.nth);
}

export function trace(seen, record, act) {
  const all = steps(seen, record);
  const begun = at(all[0]?.instant);
  const fact = (name, value) =>
    value !== null && value !== undefined && value !== '' && [h('dt', {}, name), h('dd', {}, value)];
  const source = record ?? seen;
  const [tone, text] = seen ? ENDS[seen.end] : [];
  const list = all.map((step) =>
    h(
      'li',
      { 'data-tone': step.tone },
      h(
        'div',
        { class: 'pair' },
        h('span', {}, step.what),
        h('span', {}, time(step.instant, true), ` ${later(at(step.instant) - begun)}`),
      ),
      step.more && h('p', { class: 'quiet' }, step.more),
      step.extra,
    ),
  );
  if (record?.waits_for)
    list.push(
      h(
        'li',
        { 'data-future': true },
        h('div', { class: 'pair' }, h('span', {}, 'Waits for'), h('span', {})),
        h('p', { class: 'quiet' }, record.waits_for),
      ),
    );
  const open = record && ['accepted', 'waiting', 'retry_wait', 'in_doubt', 'held'].includes(record.status);
  const report = record?.report;
  return [
    h(
      'dl',
      { class: 'facts' },
      fact('Outcome', record ? state(record.status) : word(tone, text)),
      fact('Code', (record?.error_code ?? seen?.code) && code(record?.error_code ?? seen.code)),
      fact('App', `${source.app}, by ${source.door}`),
      fact('To', h('span', { class: 'mono' }, source.to ?? (record?.to_hash ? 'kept as a hash' : 'not kept'))),
      fact('Plivo’s account', record?.account),
      fact('From', record && h('span', { class: 'mono' }, record.from)),
      fact(
        'Kind',
        record
          ? `${record.type}, ${plural(record.segments.count, 'segment')}${record.intent ? `, ${record.intent}` : ''}`
          : seen.type,
      ),
      fact('Plivo’s id', record?.message_uuid && code(record.message_uuid)),
      fact(
        'Carrier’s report',
        report &&
          [
            report.status,
            report.units && plural(report.units, 'unit'),
            report.total_amount && `${report.total_amount} USD`,
          ]
            .filter(Boolean)
            .join(', '),
      ),
      fact('Trace', record?.traceparent && code(record.traceparent.split('-')[1])),
      fact('Worth sending until', record && time(record.deadline)),
      fact('Generation', seen && String(seen.generation)),
    ),
    open && buttons(record, act, 'sheet'),
    h('section', { 'aria-label': 'Timeline' }, h('ol', { class: 'line' }, list)),
    !record &&
      empty('A message that was not accepted is not written down: this is all there is, kept in memory for a while.'),
  ];
}
