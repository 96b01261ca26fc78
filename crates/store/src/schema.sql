-- One run. Seconds (…_s, second) count from its start, microseconds (…_us) from the zero of its own clock, which is a little
-- before: the start is the at_us of the first version. A second is a
-- whole second of run time and may be negative. Counts above 2^63 show as negative numbers.

CREATE TABLE fact (
    -- What there is once in a run: run_id, scenario, environment, seed, started_at_us (Unix time), plan, settings, program,
    -- planned (users: now, and at most ever), state and more; after the end also verdict, users and duration_s.
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL -- JSON
) STRICT, WITHOUT ROWID;

CREATE TABLE version (
    -- The plan as it stood from an instant on.
    number INTEGER PRIMARY KEY,
    at_us INTEGER NOT NULL,
    content TEXT NOT NULL -- JSON: loads, base indices, slots
) STRICT;

CREATE TABLE member (
    -- Agents of the run, by the number that each incarnation got.
    agent INTEGER PRIMARY KEY,
    id TEXT NOT NULL,       -- as reports name it
    region TEXT NOT NULL,
    instance TEXT NOT NULL, -- as its launcher names what runs it
    weight INTEGER NOT NULL,
    ended INTEGER NOT NULL, -- 1: its process has ended
    lost INTEGER NOT NULL,  -- 1: it was given up
    incarnation TEXT,       -- the life that holds the number, 32 hexadecimal digits; null until it has dialled
    owns_from INTEGER       -- the first version in which the number's slots are this life's
) STRICT;

CREATE TABLE mark (
    -- How much of each incarnation's intervals is in these tables; written in one transaction with their numbers.
    incarnation TEXT PRIMARY KEY, -- 32 hexadecimal digits
    agent INTEGER NOT NULL,
    mark INTEGER NOT NULL,        -- number of the last stored interval, without gaps from 1
    stored_until INTEGER          -- the second before which its intervals are stored
) STRICT, WITHOUT ROWID;

CREATE TABLE agent (
    -- What each agent said of itself.
    agent INTEGER PRIMARY KEY,
    from_s INTEGER NOT NULL,  -- first second that it owed
    left_s INTEGER,           -- it left in order and owed nothing from here on
    lost_s INTEGER,           -- it was gone from here on
    restored INTEGER NOT NULL, -- 1: its lost users came once more elsewhere
    reported TEXT NOT NULL,   -- JSON: [{from_s, to_s}] half-open stretches that it reported
    moved TEXT NOT NULL,      -- JSON: [[from, to, users]] moves of its users
    worst TEXT NOT NULL,      -- JSON: its worst condition
    latest_s INTEGER,         -- second of its latest report of its condition
    latest TEXT               -- JSON: that condition
) STRICT;

CREATE TABLE series (
    -- What is measured: a metric with tags.
    id INTEGER PRIMARY KEY, -- counts up from 0
    metric TEXT NOT NULL,
    kind TEXT NOT NULL,     -- duration, count or ratio
    tags TEXT NOT NULL      -- JSON object
) STRICT;

CREATE TABLE source (
    -- Which of these series an agent means by its own number.
    agent INTEGER NOT NULL,
    theirs INTEGER NOT NULL,
    series INTEGER NOT NULL,
    PRIMARY KEY (agent, theirs)
) STRICT, WITHOUT ROWID;

CREATE TABLE second (
    -- Seconds of which there are reports, with the worst condition of any agent in it; null when none graded itself.
    second INTEGER PRIMARY KEY,
    lag_max_us INTEGER,
    cpu_milli INTEGER,     -- of one core
    steal_milli INTEGER,   -- of one core
    open_files INTEGER,
    dropped_starts INTEGER,
    clock_bound_us INTEGER
) STRICT;

CREATE TABLE points (
    -- The samples of one series in one second, of all agents together. Not WITHOUT ROWID: rows with many bins would
    -- overflow their page.
    second INTEGER NOT NULL,
    series INTEGER NOT NULL,
    count INTEGER NOT NULL, -- samples; the sum of a count, the whole of a ratio
    yes INTEGER,            -- of a ratio: the part that said yes
    min_us INTEGER,         -- of a duration, as are those below
    max_us INTEGER,
    p50_us INTEGER,
    p90_us INTEGER,
    p99_us INTEGER,
    bins BLOB,              -- minimum, maximum, sum, then the histogram, as metrics/src/packed.rs writes them
    UNIQUE (second, series)
) STRICT;

CREATE TABLE moved (
    -- Users that went from one state to another in one second.
    second INTEGER NOT NULL,
    from_state TEXT NOT NULL, -- waiting, live, finished, failed, dropped, cancelled or lost
    to_state TEXT NOT NULL,
    users INTEGER NOT NULL,
    PRIMARY KEY (second, from_state, to_state)
) STRICT, WITHOUT ROWID;

CREATE TABLE coarse (
    -- Stretches that some agent could only report in one piece; its samples stand in the first second.
    from_s INTEGER NOT NULL,
    to_s INTEGER NOT NULL, -- the second after the last
    PRIMARY KEY (from_s, to_s)
) STRICT, WITHOUT ROWID;

CREATE TABLE ended (
    -- Users that will not be restored, by their arrivals; only kept when the plan restores users.
    scenario INTEGER NOT NULL, -- place in the plan, from 0
    arrival INTEGER NOT NULL,  -- index in the scenario
    PRIMARY KEY (scenario, arrival)
) STRICT, WITHOUT ROWID;

CREATE TABLE call (
    -- Calls since the start: begun = answered + failed + cut + still open.
    name TEXT PRIMARY KEY,
    begun INTEGER NOT NULL,
    answered INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    cut INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE error (
    -- Errors since the start.
    kind TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    sample TEXT NOT NULL -- what one of them said
) STRICT, WITHOUT ROWID;

CREATE TABLE cue (
    -- Firings of cues, written down before they are announced.
    firing INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    number INTEGER NOT NULL, -- which firing of this cue, from 1
    id TEXT NOT NULL,
    at_us INTEGER NOT NULL,  -- the intended instant
    by TEXT NOT NULL,        -- who wanted it
    event TEXT,              -- by which users hear it
    pointer TEXT,            -- where messages carry the id
    outcome TEXT,            -- sent, nothing, failed or unknown; null: being fired
    sent_after_us INTEGER,   -- of one that was sent: after the intended instant
    failure TEXT             -- of one that failed: why
) STRICT;

CREATE TABLE cue_heard (
    -- Who heard each firing.
    firing INTEGER PRIMARY KEY,
    looked TEXT NOT NULL, -- JSON: numbers of the agents that know who should have heard it
    points TEXT NOT NULL  -- JSON: who should have, and who did in which millisecond after the intended instant
) STRICT;

CREATE TABLE event (
    -- What happened around the run: commands, losses, findings.
    id INTEGER PRIMARY KEY,
    at_s REAL NOT NULL,
    kind TEXT NOT NULL,
    who TEXT NOT NULL,
    text TEXT NOT NULL,
    detail TEXT NOT NULL -- JSON
) STRICT;

CREATE TABLE look (
    -- Readings of the sources that tell of the autoscaler under test.
    id INTEGER PRIMARY KEY,
    at_us INTEGER NOT NULL, -- when it began
    place TEXT NOT NULL,    -- the source's table in the environment
    content TEXT NOT NULL   -- JSON: what it gave, or why nothing
) STRICT;

-- Written once, at the end: the numbers of summary.json. Durations are in seconds; null where a kind has no such figure.

CREATE TABLE summary_metric (
    name TEXT, kind TEXT, tags TEXT, count INTEGER, rate REAL, mean REAL, min REAL, max REAL,
    p50 REAL, p90 REAL, p95 REAL, p99 REAL, p999 REAL
) STRICT;
CREATE TABLE summary_threshold (text TEXT, value REAL, outcome TEXT) STRICT;
CREATE TABLE summary_finding (severity TEXT, subject TEXT, text TEXT, from_s REAL, to_s REAL) STRICT;
CREATE TABLE summary_call (name TEXT, begun INTEGER, answered INTEGER, failed INTEGER, cut INTEGER) STRICT;
CREATE TABLE summary_check (name TEXT, passed INTEGER, failed INTEGER) STRICT;
CREATE TABLE summary_cue (
    name TEXT, number INTEGER, id TEXT, fired_at_s REAL, live INTEGER, connected INTEGER, heard INTEGER,
    duplicates INTEGER, first REAL, p50 REAL, p99 REAL, last REAL, clock_bound_s REAL
) STRICT;

-- For people. Percentiles are those of one series in one second: those of several cannot be had from them.

CREATE VIEW requests_per_second AS
    SELECT second, sum(count) AS requests
    FROM points JOIN series ON series.id = points.series
    WHERE metric = 'http.response' GROUP BY second;

CREATE VIEW durations_per_second AS
    SELECT second, metric, tags, count, min_us / 1e3 AS min_ms, p50_us / 1e3 AS p50_ms, p90_us / 1e3 AS p90_ms,
           p99_us / 1e3 AS p99_ms, max_us / 1e3 AS max_ms
    FROM points JOIN series ON series.id = points.series
    WHERE kind = 'duration';

CREATE VIEW live_users AS
    SELECT second, sum(coalesce(sum((to_state = 'live') * users - (from_state = 'live') * users), 0)) OVER (ORDER BY second)
           AS live
    FROM second LEFT JOIN moved USING (second) GROUP BY second;
