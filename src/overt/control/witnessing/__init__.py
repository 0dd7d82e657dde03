"""The control room as a witness of its recorder's ledger: remembers what it saw, and says when that does not go on."""
