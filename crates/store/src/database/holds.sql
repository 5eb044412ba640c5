-- The fourth version: what is asked every few seconds of holds, of which there may be a million, is found without looking
-- at all of them.
CREATE INDEX holds_untold ON holds (kind) WHERE kind IN ('elsewhere-kept', 'elsewhere-given-back');
CREATE INDEX holds_of_window ON holds (owner, name) WHERE kind = 'window';
