"""`overt ledger`: verifying, reading and proving what a ledger holds."""
