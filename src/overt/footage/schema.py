"""The tables of index.sqlite, and how an older index becomes this one. All times are nanoseconds, UTC."""

from __future__ import annotations

from typing import Final

VERSION: Final = 1
"""Kept in `PRAGMA user_version`; an index of a later version is refused, one of an earlier is migrated."""

TABLES: Final = """
CREATE TABLE identity (                     -- of this index; one that is rebuilt has another
    id BLOB NOT NULL
) STRICT;
INSERT INTO identity VALUES (randomblob(16));

CREATE TABLE stream (
    id INTEGER PRIMARY KEY,
    camera TEXT NOT NULL,
    stream TEXT NOT NULL,
    UNIQUE (camera, stream)
) STRICT;

CREATE TABLE location (
    id INTEGER PRIMARY KEY,
    location_id BLOB NOT NULL UNIQUE,       -- as in the marker of the directory
    path TEXT NOT NULL                      -- where it was mounted last
) STRICT;

CREATE TABLE segment (
    id INTEGER PRIMARY KEY,
    segment_id BLOB NOT NULL UNIQUE,
    stream INTEGER NOT NULL REFERENCES stream (id),
    location INTEGER NOT NULL REFERENCES location (id),
    name TEXT NOT NULL,                     -- file name; the folder follows from stream and name
    state INTEGER NOT NULL,                 -- SegmentState: 1 open, 2 closed, 3 recovered, 4 damaged, 5 deleting
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    size INTEGER NOT NULL,                  -- bytes of the file
    records INTEGER NOT NULL,               -- configuration and fragment records
    fragments INTEGER NOT NULL,
    samples INTEGER NOT NULL,
    damaged_samples INTEGER NOT NULL,
    lost_packets INTEGER NOT NULL,
    merkle_root BLOB NOT NULL,              -- empty while open
    period_id BLOB NOT NULL,
    session_id BLOB NOT NULL,
    previous_id BLOB NOT NULL,
    clock_offset_ns INTEGER NOT NULL,       -- wall clock minus recorder's line when the segment began
    camera_offset_ns INTEGER,               -- camera clock minus recorder's line; NULL: the camera told no time
    deletion TEXT NOT NULL DEFAULT '',      -- why it was chosen for deletion: days, bytes, disk-full
    tracks TEXT NOT NULL                    -- what is inside, for people: 'avc1.4d002a 1920x1080'; '' if unknown
) STRICT;
CREATE INDEX segment_by_time ON segment (stream, start_ns, end_ns, state, size);
CREATE INDEX segment_by_period ON segment (period_id, state);
CREATE INDEX segment_unfinished ON segment (state) WHERE state IN (1, 5);

CREATE VIEW segment_row AS                  -- a segment with its names, in the order of overt.footage.rows.SegmentRow
    SELECT g.segment_id, s.camera, s.stream, l.location_id, g.name, g.state, g.start_ns, g.end_ns, g.size, g.records,
        g.fragments, g.samples, g.damaged_samples, g.lost_packets, g.merkle_root, g.period_id, g.session_id,
        g.previous_id, g.clock_offset_ns, g.camera_offset_ns, g.tracks, g.deletion, g.stream AS stream_number,
        g.location AS location_number
    FROM segment g JOIN stream s ON s.id = g.stream JOIN location l ON l.id = g.location;

CREATE TABLE fragment_table (
    segment INTEGER PRIMARY KEY REFERENCES segment (id) ON DELETE CASCADE,
    rows BLOB NOT NULL                      -- overt.footage.fragment_table
) STRICT;

CREATE VIEW segment_row_with_table AS
    SELECT r.*, t.rows FROM segment_row r JOIN segment g ON g.segment_id = r.segment_id
    LEFT JOIN fragment_table t ON t.segment = g.id;

CREATE TABLE gap (
    gap_id BLOB PRIMARY KEY,
    stream INTEGER NOT NULL REFERENCES stream (id),
    from_ns INTEGER NOT NULL,
    to_ns INTEGER,                          -- NULL while it lasts
    cause TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX gap_by_time ON gap (stream, from_ns);

CREATE TABLE hold (
    hold_id BLOB PRIMARY KEY,
    camera TEXT NOT NULL,
    from_ns INTEGER NOT NULL,
    to_ns INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX hold_by_camera ON hold (camera, from_ns);

CREATE TABLE deletion (
    deletion_id BLOB PRIMARY KEY,
    time_ns INTEGER NOT NULL,
    reason TEXT NOT NULL,                   -- days, bytes, disk-full
    stream INTEGER NOT NULL REFERENCES stream (id),
    from_ns INTEGER NOT NULL,
    to_ns INTEGER NOT NULL,
    segments INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    periods BLOB NOT NULL                   -- 16 bytes for each key period whose wrapped key was destroyed
) STRICT, WITHOUT ROWID;
CREATE INDEX deletion_by_time ON deletion (stream, from_ns);
"""

MIGRATIONS: Final[dict[int, str]] = {0: TABLES}
"""From version n (key) to n + 1."""
