-- The SQLite store. Numbers that a run could not tell are NULL; `written_at` is in Unix seconds, NULL in rows of versions before 4.
CREATE TABLE IF NOT EXISTS runs (
    run INTEGER PRIMARY KEY, scenario TEXT NOT NULL, instance TEXT NOT NULL, seed TEXT NOT NULL,
    entities INTEGER NOT NULL, settings TEXT NOT NULL, last_tick INTEGER, id TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS runs_by_id ON runs (id);
CREATE TABLE IF NOT EXISTS block_states (
    run INTEGER NOT NULL, tick INTEGER NOT NULL, block INTEGER NOT NULL, block_group TEXT NOT NULL,
    channel INTEGER NOT NULL, entities INTEGER NOT NULL, active INTEGER NOT NULL, mean REAL,
    deviation REAL, fitness REAL, threshold REAL, written_at INTEGER, PRIMARY KEY (run, tick, block)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alerts (
    run INTEGER NOT NULL, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL, tick INTEGER NOT NULL,
    instance TEXT NOT NULL, name TEXT NOT NULL, subject TEXT NOT NULL, value REAL,
    severity INTEGER NOT NULL, state TEXT NOT NULL, written_at INTEGER, why TEXT, PRIMARY KEY (run, epoch, sequence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS metrics (
    run INTEGER NOT NULL, tick INTEGER NOT NULL, name TEXT NOT NULL, value REAL, written_at INTEGER,
    PRIMARY KEY (run, tick, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS plugin_rows (
    run INTEGER NOT NULL, tick INTEGER NOT NULL, plugin TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
    written_at INTEGER, PRIMARY KEY (run, tick, plugin, key)
) WITHOUT ROWID;
-- Three lists of one length, JSON: who lives in the rows now, whom they replace, whom they inherit from. With row ids, for a list is long.
CREATE TABLE IF NOT EXISTS repairs (
    run INTEGER NOT NULL, tick INTEGER NOT NULL, block INTEGER NOT NULL, cause TEXT NOT NULL, entities TEXT NOT NULL,
    replaced TEXT NOT NULL, parents TEXT NOT NULL, written_at INTEGER, PRIMARY KEY (run, tick, block, cause)
);

-- The blocks of every run as they were last written.
CREATE VIEW IF NOT EXISTS latest_blocks AS
SELECT runs.id AS run_id, runs.instance, states.*
FROM runs
JOIN block_states AS states ON states.run = runs.run
    AND states.tick = (SELECT max(tick) FROM block_states AS last WHERE last.run = runs.run);

-- Alerts that were raised and have not been cleared.
CREATE VIEW IF NOT EXISTS alerts_open AS
SELECT runs.id AS run_id, last.run, last.epoch, last.sequence, last.tick, last.instance, last.name, last.subject, last.value,
    last.severity, last.written_at, last.why
FROM (
    SELECT alerts.*, row_number() OVER (PARTITION BY run, name, subject ORDER BY epoch DESC, sequence DESC) AS nth FROM alerts
) AS last
JOIN runs ON runs.run = last.run
WHERE last.nth = 1 AND last.state = 'raised';

-- How fit the blocks of a group were in each hour (UTC).
CREATE VIEW IF NOT EXISTS fitness_by_hour AS
SELECT runs.id AS run_id, runs.instance, states.run, states.block_group,
    strftime('%Y-%m-%d %H:00:00', states.written_at, 'unixepoch') AS hour,
    avg(states.fitness) AS fitness_mean, min(states.fitness) AS fitness_min, max(states.fitness) AS fitness_max,
    count(*) AS states
FROM block_states AS states
JOIN runs ON runs.run = states.run
GROUP BY runs.id, runs.instance, states.run, states.block_group, hour;

-- The old program's table: its block is a group here, with all of the group's entities. A table of that name stays as it is.
CREATE VIEW IF NOT EXISTS bloques AS
SELECT states.block_group AS id, states.channel AS canal, sum(states.entities) AS num_entidades,
    sum(states.fitness * states.entities) / nullif(sum(states.entities), 0) AS fitness,
    datetime(min(states.written_at), 'unixepoch') AS timestamp, runs.instance AS instance_id
FROM block_states AS states
JOIN runs ON runs.run = states.run
GROUP BY states.run, states.tick, states.block_group, states.channel, runs.instance;

-- A row for each entity that was repaired.
CREATE VIEW IF NOT EXISTS repairs_by_entity AS
SELECT repairs.run, repairs.tick, repairs.block, each.value AS entity, repairs.cause,
    json_extract(repairs.replaced, '$[' || each.key || ']') AS replaced,
    json_extract(repairs.parents, '$[' || each.key || ']') AS parent
FROM repairs, json_each(repairs.entities) AS each;
