"""Key periods, HPKE wraps, the forward ratchet, and the custody of role keys."""
