"""What people did: each act a leaf of the control room's ledger, written before it takes effect, and found again."""
