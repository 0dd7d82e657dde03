"""`overt witness`: cosigning the checkpoints of ledgers that somebody else keeps."""
