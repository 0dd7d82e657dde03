"""The transparency log: Merkle tree hashing (RFC 6962)."""
