-- The fifth version: up to which number events of an app made room, so that a cursor before it can be told.
CREATE TABLE dropped_events (app TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE TRIGGER events_dropped AFTER DELETE ON events
  BEGIN INSERT INTO dropped_events VALUES (OLD.app, OLD.number)
    ON CONFLICT DO UPDATE SET number = max(number, excluded.number); END;
