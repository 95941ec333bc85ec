-- Why an alert was raised, for people; most say nothing.
ALTER TABLE alerts ADD COLUMN why text;

CREATE OR REPLACE VIEW alerts_open AS
SELECT runs.id AS run_id, last.run, last.epoch, last.sequence, last.tick, last.instance, last.name, last.subject, last.value,
    last.severity, last.written_at, last.why
FROM (
    SELECT alerts.*, row_number() OVER (PARTITION BY run, name, subject ORDER BY epoch DESC, sequence DESC) AS nth FROM alerts
) AS last
JOIN runs ON runs.run = last.run
WHERE last.nth = 1 AND last.state = 'raised';

-- What was repaired in a block in a tick, and why: three lists of one length, who lives in the rows now, whom they replace, whom they
-- inherit from.
CREATE TABLE repairs (
    run bigint NOT NULL,
    tick bigint NOT NULL,
    block integer NOT NULL,
    cause text NOT NULL,
    entities jsonb NOT NULL,
    replaced jsonb NOT NULL,
    parents jsonb NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (written_at);
CREATE INDEX repairs_by_tick ON repairs USING brin (run, tick) WITH (pages_per_range = 32, autosummarize = on);
CREATE TABLE repairs_default PARTITION OF repairs DEFAULT;

ALTER TABLE cursors ADD COLUMN repairs_tick bigint NOT NULL DEFAULT -1;

-- A row for each entity that was repaired.
CREATE VIEW repairs_by_entity AS
SELECT repairs.run, repairs.tick, repairs.block, one.entity::bigint AS entity, repairs.cause, one.replaced::bigint AS replaced,
    one.parent::bigint AS parent
FROM repairs, ROWS FROM (
    jsonb_array_elements_text(repairs.entities), jsonb_array_elements_text(repairs.replaced), jsonb_array_elements_text(repairs.parents)
) AS one (entity, replaced, parent);
