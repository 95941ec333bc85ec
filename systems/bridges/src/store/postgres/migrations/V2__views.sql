-- The blocks of every run as they were last written.
CREATE VIEW latest_blocks AS
SELECT runs.id AS run_id, runs.instance, states.run, states.tick, states.block, states.block_group, states.channel,
    states.entities, states.active, states.mean, states.deviation, states.fitness, states.threshold, states.written_at
FROM cursors
JOIN runs ON runs.run = cursors.run
JOIN block_states AS states ON states.run = cursors.run AND states.tick = cursors.blocks_tick;

-- Alerts that were raised and have not been cleared.
CREATE VIEW alerts_open AS
SELECT runs.id AS run_id, last.run, last.epoch, last.sequence, last.tick, last.instance, last.name, last.subject, last.value,
    last.severity, last.written_at
FROM (
    SELECT alerts.*, row_number() OVER (PARTITION BY run, name, subject ORDER BY epoch DESC, sequence DESC) AS nth FROM alerts
) AS last
JOIN runs ON runs.run = last.run
WHERE last.nth = 1 AND last.state = 'raised';

-- How fit the blocks of a group were in each hour (UTC).
CREATE VIEW fitness_by_hour AS
SELECT runs.id AS run_id, runs.instance, states.run, states.block_group,
    date_trunc('hour', states.written_at AT TIME ZONE 'UTC') AS hour,
    avg(states.fitness) AS fitness_mean, min(states.fitness) AS fitness_min, max(states.fitness) AS fitness_max,
    count(*) AS states
FROM block_states AS states
JOIN runs ON runs.run = states.run
GROUP BY runs.id, runs.instance, states.run, states.block_group, hour;

-- The old program's table: its block is a group here, with all of the group's entities. A table of that name stays as it is.
DO $$
DECLARE
    name text := 'bloques';
BEGIN
    IF to_regclass(format('%I.bloques', current_schema())) IS NOT NULL THEN
        name := 'bloques_corec';
    END IF;
    EXECUTE format('
        CREATE VIEW %I AS
        SELECT states.block_group AS id, states.channel AS canal, sum(states.entities) AS num_entidades,
            sum(states.fitness::double precision * states.entities) / nullif(sum(states.entities), 0) AS fitness,
            min(states.written_at) AS "timestamp", runs.instance AS instance_id
        FROM block_states AS states
        JOIN runs ON runs.run = states.run
        GROUP BY states.run, states.tick, states.block_group, states.channel, runs.instance', name);
END $$;
