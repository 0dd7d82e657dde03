"""Keys in hand: security keys, the keyrings of roles, custody policies, and requests that keys answer."""
