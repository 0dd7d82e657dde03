"""The footage store: sealed segments on disk, their index, gaps, retention, reading."""
