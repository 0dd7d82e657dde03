"""The transparency log: an append-only Merkle tree (RFC 6962) in plain files (C2SP tlog-tiles), signed and witnessed.

Writing, by one process (`overt.ledger.ledger`; any number of its threads at once):

    signer = create_key(path, "council.example/control-room")       # overt.ledger.keys; read_key(path) later on
    with Ledger.create(directory, signer) as ledger:                # Ledger(directory, signer) opens one
        leaf = ledger.append(Entry("look.opened", {"who": "ana", "purpose": "crime", "cameras": ["front-door"]}))
        leaves = ledger.append_all([...])                           # all or none, one behind the other
        ledger.checkpoint, ledger.size, ledger.key                  # newest SignedCheckpoint; leaves; VerifierKey

`append` returns when leaf and body are flushed to the disk under a signed checkpoint, and raises UnavailableError when
they are not and never will be: do the act behind it, not before. The kind is public for good; the body may hold
personal data, has no floating-point numbers, and is forgotten by `ledger.prune(indices)`, behind a leaf that says so.

Reading, by anybody, at any time (`overt.ledger.reader`; one reader a thread):

    reader = ledger.reader()                                        # or LedgerReader(directory)
    reader.leaves(kinds=["look."], since_ns=..., until_ns=..., newest_first=True)   # iterator of Leaf
    reader.leaf(index), reader.body(index)                          # Body.value() is the dict; None if pruned
    reader.read_bodies(leaves)                                      # the same for many: (Leaf, Body or None)
    reader.root(size), reader.inclusion(index, size), reader.consistency(old, new)
    reader.refresh()                                                # looks for the newest checkpoint

Proving and verifying: `overt.ledger.proving.prove`, `overt.ledger.proof_file.Proof`, `overt.ledger.verifying.verify`. A
witness's answer comes in by `ledger.add_cosignature`; what to send is `overt.ledger.witness_protocol.AddCheckpoint(old,
ledger.consistency_since(old), ledger.checkpoint)`.

The format is public: docs/formats/ledger.md. The parts: `merkle`, `proofs` (tree), `note`, `checkpoint`, `cosignature`
(what is signed), `leaves`, `canonical`, `bodies` (what is logged), `tiles`, `edge` (files of the tree), `journal`,
`files`, `recovery`, `marker` (the disk), `witnessing`, `cosigned`, `comparing`, `findings` (trust).
"""
