-- The seventh version: what became of a call stays, also where the message was sent on its way again although Plivo may
-- have heard it. Before, that was written over its `code`, and when over its `ended`; what stood there is lost.
ALTER TABLE attempts ADD COLUMN given_up INTEGER /* when the message was sent again although this may have sent it */;
UPDATE attempts SET given_up = ended, code = NULL WHERE code = 'given_up';
