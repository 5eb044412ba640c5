// The official Plivo SDK for Node, unchanged but for its base URL: one SMS, one MMS, and one that a policy refuses.
const plivo = require('plivo');

const base = process.env.SENDGATE_URL ?? 'http://127.0.0.1:8787';
const id = process.env.SENDGATE_APP ?? 'demo';
const token = process.env.SENDGATE_TOKEN ?? 'demo-token';
const from = process.env.PLIVO_SENDER_NUMBER ?? '+14155551212';

const client = new plivo.Client(id, token, { url: `${base}/v1/Account/${id}` });

async function main() {
  const sms = await client.messages.create({ src: from, dst: '+14155550123', text: 'Hello from Node é €' });
  console.log('sms', sms.messageUuid[0]);

  const mms = await client.messages.create({
    src: from,
    dst: '+14155550199',
    text: 'A picture from Node',
    type: 'mms',
    media_urls: ['https://cdn.example.com/a.jpg'],
  });
  console.log('mms', mms.messageUuid[0]);

  const details = await client.messages.get(sms.messageUuid[0]);
  console.log('state', details.messageState, 'to', details.toNumber);

  try {
    await client.messages.create({ src: from, dst: '+989121234567', text: 'Hello' });
    throw new Error('a blocked country was not refused');
  } catch (refusal) {
    if (!String(refusal.message).includes('country.hard_denied')) throw refusal;
    console.log('refused', refusal.message);
  }
}

main().catch((err) => { console.error(err); process.exit(1); });
