-- The first version of the store. Instants are milliseconds since 1970 in UTC; the views at the end show them readably.

-- One row for each message that was accepted. `recipient` and `text` are whole until the message has left; then they
-- are kept as [store] numbers and text say: whole, as a keyed hash, or not at all.
CREATE TABLE messages (
  number         INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of acceptance
  id             TEXT NOT NULL UNIQUE,              -- Sendgate's own id
  app            TEXT NOT NULL,
  door           TEXT NOT NULL,                     -- messages, mms-send, plivo
  recipient      TEXT,
  recipient_hash TEXT,
  sender_kind    TEXT NOT NULL,                     -- number, short-code, alphanumeric, pool
  sender         TEXT NOT NULL,
  type           TEXT NOT NULL,                     -- sms, mms
  text           TEXT,
  text_hash      TEXT,
  text_bytes     INTEGER NOT NULL,
  segments       TEXT NOT NULL,                     -- JSON
  media_urls     TEXT,                              -- JSON array
  media_ids      TEXT,                              -- JSON array
  intent         TEXT NOT NULL,
  tags           TEXT,                              -- JSON array of pairs
  plivo_log      TEXT,                              -- what the app asked Plivo to keep
  trackable      INTEGER NOT NULL,
  plivo_dlt      TEXT,                              -- JSON: what the app gave for India's regulator
  traceparent    TEXT,                              -- of the request that brought it
  relay          TEXT,                              -- where its events go
  idempotency_key TEXT,                             -- of the request that brought it
  status         TEXT NOT NULL,
  message_uuid   TEXT,                              -- Plivo's id
  own_id_told    INTEGER NOT NULL DEFAULT 0,        -- the app was answered our id, before Plivo's was known
  error_code     TEXT,
  created        INTEGER NOT NULL,
  updated        INTEGER NOT NULL,
  not_before     INTEGER,
  deadline       INTEGER NOT NULL,
  paces          TEXT,                              -- JSON: the limits that are kept when it is sent
  decisions      TEXT NOT NULL,                     -- JSON: what each policy said
  report         TEXT,                              -- JSON: what the latest delivery report said of units and money
  looks          INTEGER NOT NULL DEFAULT 0,        -- times that Plivo was asked what became of it
  next_look      INTEGER,
  unsent         INTEGER NOT NULL DEFAULT 0,        -- it ended, was certainly not sent, and nobody took it back
  -- something is still asked of us: its row makes room last
  live           INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX messages_by_app ON messages (app, number);
CREATE INDEX messages_by_key ON messages (app, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX messages_by_uuid ON messages (message_uuid) WHERE message_uuid IS NOT NULL;
CREATE INDEX messages_open ON messages (number) WHERE status IN ('accepted', 'waiting', 'sending', 'retry_wait', 'in_doubt', 'held');
CREATE INDEX messages_to_look_at ON messages (next_look) WHERE next_look IS NOT NULL;
CREATE INDEX messages_ended ON messages (updated) WHERE live = 0;
CREATE INDEX messages_given_up ON messages (updated) WHERE live = 0 AND error_code IN ('send.unresolved', 'send.canceled_in_doubt');
CREATE INDEX messages_awaited ON messages (updated) WHERE live = 1 AND status IN ('submitted', 'sent');

-- Messages that made room, or are over, while their apps are still to be told of them: the same columns, no text. They
-- go with the last event that is due or dead.
CREATE TABLE departed AS SELECT * FROM messages WHERE false;
CREATE UNIQUE INDEX departed_by_id ON departed (id);
CREATE TRIGGER departed_attempts AFTER DELETE ON departed
  BEGIN DELETE FROM attempts WHERE message = OLD.id; END;

-- Every call to Plivo: written before its first byte, completed by its outcome.
CREATE TABLE attempts (
  message     TEXT NOT NULL,
  number      INTEGER NOT NULL, -- from one
  started     INTEGER NOT NULL,
  ended       INTEGER,
  outcome     TEXT,             -- accepted, rejected, not-sent, in-doubt
  http_status INTEGER,
  code        TEXT,
  -- a mark of the account at Plivo that was called
  account     TEXT,
  PRIMARY KEY (message, number)
) WITHOUT ROWID;

-- Further ids of a message that Plivo split, so that no other message is taken for one of them.
CREATE TABLE other_uuids (
  uuid    TEXT PRIMARY KEY,
  message TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX other_uuids_of_message ON other_uuids (message);

-- What policies reserved and charged for the messages above; charges by the calendar only while they may be given back.
CREATE TABLE holds (
  token   INTEGER NOT NULL,     -- the order in which they were made
  message TEXT NOT NULL,
  owner   TEXT NOT NULL,        -- the policy
  kind    TEXT NOT NULL,        -- reservation, window, gcra, gcra-given-back, calendar ZONE PERIOD,
                                -- elsewhere, elsewhere-kept, elsewhere-given-back (Redis has it, and may not have heard)
  name    TEXT NOT NULL,        -- the key reserved, or limit and key as LENGTH:limitLENGTH:key
  at      INTEGER NOT NULL,     -- when it was made; for calendar, when its period began
  ends    INTEGER NOT NULL,     -- when it counts no more
  amount  INTEGER NOT NULL,     -- cost; for gcra nanoseconds
  level   INTEGER NOT NULL,     -- for gcra: the theoretical arrival time after it, in nanoseconds
  PRIMARY KEY (token, message)
) WITHOUT ROWID;
CREATE INDEX holds_of_message ON holds (message);
CREATE INDEX holds_by_end ON holds (ends);

-- What was charged for good against limits by the calendar: a sum for each limit and key in each period.
CREATE TABLE spent (
  owner  TEXT NOT NULL,
  name   TEXT NOT NULL,         -- as above, like the rest
  kind   TEXT NOT NULL,
  at     INTEGER NOT NULL,
  ends   INTEGER NOT NULL,
  amount INTEGER NOT NULL,
  token  INTEGER NOT NULL,      -- of the latest charge
  PRIMARY KEY (owner, name, kind, at)
) WITHOUT ROWID;
CREATE INDEX spent_by_end ON spent (ends);

-- What policies keep besides: their own values and counters.
CREATE TABLE policy_state (
  owner TEXT NOT NULL,
  key   TEXT NOT NULL,
  value BLOB NOT NULL,
  ends  INTEGER NOT NULL,
  PRIMARY KEY (owner, key)
) WITHOUT ROWID;
CREATE INDEX policy_state_by_end ON policy_state (ends);

-- Idempotency keys of accepted messages, with the answer to give again.
CREATE TABLE idempotency_keys (
  app         TEXT NOT NULL,
  key         TEXT NOT NULL,
  fingerprint TEXT NOT NULL,    -- JSON: a keyed hash for each field of the request
  message     TEXT,
  status      INTEGER NOT NULL,
  headers     TEXT NOT NULL,    -- JSON array of pairs
  body        BLOB NOT NULL,
  ends        INTEGER NOT NULL, -- below 0: it has ended, since none of its messages was sent; the time it would have ended at
  covers      INTEGER NOT NULL, -- how many messages the answer is about; 0 where it is about others' too
  shared      INTEGER NOT NULL, -- replicas were told of it
  -- it has ended before its time, and replicas are still to be told
  freed       INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (app, key)
);
CREATE INDEX idempotency_keys_by_end ON idempotency_keys (ends);
CREATE INDEX idempotency_keys_of_message ON idempotency_keys (message);
CREATE INDEX idempotency_keys_freed ON idempotency_keys (freed) WHERE freed = 1;

-- Delivery reports as they came, each once.
CREATE TABLE reports (
  message    TEXT NOT NULL,
  status     TEXT NOT NULL,     -- Plivo's word
  sequence   INTEGER NOT NULL,
  received   INTEGER NOT NULL,
  error_code TEXT,
  PRIMARY KEY (message, status, sequence)
) WITHOUT ROWID;

-- The outbox: what apps are told. `number` is the cursor of /v1/events.
CREATE TABLE events (
  number   INTEGER PRIMARY KEY AUTOINCREMENT,
  message  TEXT NOT NULL,
  app      TEXT NOT NULL,
  state    TEXT NOT NULL,
  sequence INTEGER NOT NULL,    -- of the report, or 0
  at       INTEGER NOT NULL,
  code     TEXT,
  relay    TEXT,                -- NULL: nobody is called; else due, done, dead
  tries    INTEGER NOT NULL DEFAULT 0,
  next_try INTEGER,
  fault    TEXT                 -- of the last try
);
CREATE INDEX events_by_app ON events (app, number);
CREATE INDEX events_of_message ON events (message, number);
CREATE INDEX events_due ON events (next_try) WHERE relay = 'due';
CREATE INDEX events_dead ON events (app, number) WHERE relay = 'dead';
CREATE INDEX events_by_time ON events (at);
CREATE TRIGGER departed_are_told AFTER UPDATE OF relay ON events WHEN OLD.relay IN ('due', 'dead')
  BEGIN DELETE FROM departed WHERE id = OLD.message AND NOT EXISTS
    (SELECT 1 FROM events WHERE message = OLD.message AND relay IN ('due', 'dead')); END;
CREATE TRIGGER departed_are_given_up AFTER DELETE ON events WHEN OLD.relay IN ('due', 'dead')
  BEGIN DELETE FROM departed WHERE id = OLD.message AND NOT EXISTS
    (SELECT 1 FROM events WHERE message = OLD.message AND relay IN ('due', 'dead')); END;

-- How many rows the bounded tables have.
CREATE TABLE sizes (
  name TEXT PRIMARY KEY,
  rows INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO sizes VALUES ('messages', 0), ('idempotency_keys', 0), ('events', 0);
CREATE TRIGGER messages_more AFTER INSERT ON messages
  BEGIN UPDATE sizes SET rows = rows + 1 WHERE name = 'messages'; END;
CREATE TRIGGER messages_fewer AFTER DELETE ON messages
  BEGIN UPDATE sizes SET rows = rows - 1 WHERE name = 'messages'; END;
CREATE TRIGGER idempotency_keys_more AFTER INSERT ON idempotency_keys
  BEGIN UPDATE sizes SET rows = rows + 1 WHERE name = 'idempotency_keys'; END;
CREATE TRIGGER idempotency_keys_fewer AFTER DELETE ON idempotency_keys
  BEGIN UPDATE sizes SET rows = rows - 1 WHERE name = 'idempotency_keys'; END;
CREATE TRIGGER events_more AFTER INSERT ON events
  BEGIN UPDATE sizes SET rows = rows + 1 WHERE name = 'events'; END;
CREATE TRIGGER events_fewer AFTER DELETE ON events
  BEGIN UPDATE sizes SET rows = rows - 1 WHERE name = 'events'; END;

-- For people: sqlite3 sendgate.db 'SELECT * FROM messages_shown'
CREATE VIEW messages_shown AS
  SELECT number, id, app, status, error_code, recipient, sender, type, message_uuid,
         datetime(created / 1000, 'unixepoch') AS created, datetime(updated / 1000, 'unixepoch') AS updated,
         datetime(deadline / 1000, 'unixepoch') AS deadline,
         (SELECT count(*) FROM attempts WHERE attempts.message = messages.id) AS attempts
  FROM messages ORDER BY number DESC;
CREATE VIEW events_shown AS
  SELECT number, app, message, state, code, relay, tries, fault, datetime(at / 1000, 'unixepoch') AS at
  FROM events ORDER BY number DESC;
