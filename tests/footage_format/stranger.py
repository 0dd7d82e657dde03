"""A reader of footage written from docs/formats/footage.md alone. It imports nothing of Overt.

HPKE is done by hand from RFC 9180, so that it checks the library's as well.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
import zlib
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class RefusedError(Exception):
    """What a reader must refuse."""


# --- HPKE, RFC 9180 base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 ---------------------------------------------

AES_128_GCM = 1
AES_256_GCM = 2
KEM_SUITE = b"KEM" + bytes.fromhex("0020")


def hkdf_extract(salt: bytes, material: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), material, "sha256")


def hkdf_expand(key: bytes, info: bytes, length: int = 32) -> bytes:
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = hmac.digest(key, block + info + bytes((counter,)), "sha256")
        out += block
        counter += 1
    return out[:length]


def labeled_extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    return hkdf_extract(salt, b"HPKE-v1" + suite + label + material)


def labeled_expand(suite: bytes, key: bytes, label: bytes, info: bytes, length: int) -> bytes:
    return hkdf_expand(key, struct.pack(">H", length) + b"HPKE-v1" + suite + label + info, length)


def hpke_schedule(dh: bytes, enc: bytes, recipient: bytes, info: bytes, aead: int) -> tuple[bytes, bytes]:
    eae_prk = labeled_extract(KEM_SUITE, b"", b"eae_prk", dh)
    shared = labeled_expand(KEM_SUITE, eae_prk, b"shared_secret", enc + recipient, 32)
    suite = b"HPKE" + struct.pack(">HHH", 0x0020, 0x0001, aead)
    psk_id_hash = labeled_extract(suite, b"", b"psk_id_hash", b"")
    info_hash = labeled_extract(suite, b"", b"info_hash", info)
    context = b"\x00" + psk_id_hash + info_hash
    secret = labeled_extract(suite, shared, b"secret", b"")
    key = labeled_expand(suite, secret, b"key", context, {AES_128_GCM: 16, AES_256_GCM: 32}[aead])
    return key, labeled_expand(suite, secret, b"base_nonce", context, 12)


def public_of(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def exchange(private: bytes, public: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))


def hpke_seal(
    recipient: bytes, info: bytes, plaintext: bytes, ephemeral: bytes, *, aead: int = AES_256_GCM, aad: bytes = b""
) -> bytes:
    enc = public_of(ephemeral)
    key, nonce = hpke_schedule(exchange(ephemeral, recipient), enc, recipient, info, aead)
    return enc + AESGCM(key).encrypt(nonce, plaintext, aad)


def hpke_open(private: bytes, info: bytes, sealed: bytes, *, aead: int = AES_256_GCM, aad: bytes = b"") -> bytes:
    enc = sealed[:32]
    key, nonce = hpke_schedule(exchange(private, enc), enc, public_of(private), info, aead)
    return AESGCM(key).decrypt(nonce, sealed[32:], aad)


# --- wraps ---------------------------------------------------------------------------------------------------------


def name(text: bytes) -> bytes:
    return bytes((len(text),)) + text


def wrap_info(site: bytes, period: bytes, names: tuple[bytes, bytes], roles: list[bytes], n: int) -> bytes:
    head = b"overt footage v1 period root\x00" + site + period + bytes((len(roles), n))
    return head + b"".join(map(name, (*names, *roles)))


def open_wrap(wrapped: bytes, private_keys: list[bytes]) -> bytes:
    """Return the root."""
    if wrapped[:4] != b"OVWK" or wrapped[4] != 1 or wrapped[5] not in {1, 2} or wrapped[6:8] != b"\0\0":
        raise RefusedError("not a wrapped key of version 1")
    count, site, period = wrapped[5], wrapped[8:24], wrapped[24:40]
    at = 40

    def take_name() -> bytes:
        nonlocal at
        text = wrapped[at + 1 : at + 1 + wrapped[at]]
        at += 1 + wrapped[at]
        return text

    camera, stream = take_name(), take_name()
    roles, ids = [], []
    for _ in range(count):
        roles.append(take_name())
        ids.append(wrapped[at : at + 8])
        at += 8
    sealed = wrapped[at:]
    if len(sealed) != 32 + 48 * count:
        raise RefusedError("length")
    by_id = {hashlib.sha256(public_of(private)).digest()[:8]: private for private in private_keys}
    for n in reversed(range(count)):
        if ids[n] not in by_id:
            raise RefusedError(f"key {ids[n].hex()} is needed")
        sealed = hpke_open(by_id[ids[n]], wrap_info(site, period, (camera, stream), roles, n), sealed)
    return sealed


# --- segments ------------------------------------------------------------------------------------------------------


@dataclass
class StrangerRecord:
    offset: int
    kind: int
    flags: int
    samples: int
    position: int
    message: int
    start: int
    duration: int
    camera_offset: int
    lost: int
    damaged: int
    length: int
    commitment: bytes
    header: bytes
    payload: bytes
    digest: bytes


@dataclass
class StrangerSegment:
    site: bytes = b""
    segment: bytes = b""
    period: bytes = b""
    session: bytes = b""
    previous: bytes = b""
    created: int = 0
    wall_offset: int = 0
    first_message: int = 0
    commitment: bytes = b""
    camera: bytes = b""
    stream: bytes = b""
    header_digest: bytes = b""
    records: list[StrangerRecord] = field(default_factory=list)
    ended: bool = False
    complaints: list[str] = field(default_factory=list)


def record_header(data: bytes, at: int) -> tuple[int, ...] | None:
    head = data[at : at + 88]
    if len(head) < 88 or head[:4] != b"OVRF" or zlib.crc32(head[:84]) != struct.unpack(">I", head[84:])[0]:
        return None
    fields = struct.unpack(">BBHIIqQqIHHI", head[4:52])
    kind, flags, _, position, message, _, _, _, _, _, zero, length = fields
    if kind not in {1, 2, 3} or flags & ~7 or zero or position > 65_536 or message >= 262_144:
        return None
    if not (60 if kind == 3 else 16) <= length <= 67_108_864:
        return None
    return fields


def find_valid(data: bytes, at: int) -> int | None:
    while (at := data.find(b"OVRF", at)) >= 0:
        if record_header(data, at):
            return at
        at += 1
    return None


def merkle(digests: list[bytes]) -> bytes:
    """RFC 6962 §2.1, by its recursive definition."""
    if not digests:
        return hashlib.sha256(b"").digest()
    if len(digests) == 1:
        return hashlib.sha256(b"\0" + digests[0]).digest()
    k = 1
    while k * 2 < len(digests):
        k *= 2
    return hashlib.sha256(b"\1" + merkle(digests[:k]) + merkle(digests[k:])).digest()


def segment_header(data: bytes, segment: StrangerSegment) -> int:
    if data[:8] != b"OVERTSEG":
        raise RefusedError("magic")
    if len(data) < 184:
        raise RefusedError("torn header")
    version, zero, length = struct.unpack(">HHI", data[8:16])
    if not 184 <= length <= 308 or len(data) < length or zero:
        raise RefusedError("header length")
    h = hashlib.sha256(data[: length - 32]).digest()
    if h != data[length - 32 : length]:
        raise RefusedError("header digest")
    if version != 1:
        raise RefusedError("version")
    segment.site, segment.segment, segment.period = data[16:32], data[32:48], data[48:64]
    segment.session, segment.previous = data[64:80], data[80:96]
    segment.created, segment.wall_offset, segment.first_message = struct.unpack(">qqI", data[96:116])
    segment.commitment = data[116:148]
    c = data[148]
    segment.camera = data[149 : 149 + c]
    s = data[149 + c]
    segment.stream = data[150 + c : 150 + c + s]
    if length != 182 + c + s:
        raise RefusedError("header length")
    segment.header_digest = h
    return int(length)


def read(data: bytes) -> StrangerSegment:
    """Walk a file's bytes without keys."""
    segment = StrangerSegment()
    at = segment_header(data, segment)
    h = segment.header_digest
    due, message_due = 0, segment.first_message
    while at < len(data):
        if segment.ended:
            segment.complaints.append(f"{at}: bytes after the end")
            break
        fields = record_header(data, at)
        length = fields[-1] if fields else 0
        end = at + 88 + length + 32
        if not fields or end > len(data):
            after = find_valid(data, at + (88 if fields else 1))
            segment.complaints.append(f"{at}: {'torn' if after is None else 'lost bytes'}")
            if after is None:
                break
            at = after
            continue
        head, payload, digest = data[at : at + 88], data[at + 88 : end - 32], data[end - 32 : end]
        record = StrangerRecord(at, *fields[:10], length, head[52:84], head, payload, digest)
        intact = hashlib.sha256(h + head + payload).digest() == digest
        if not intact:
            segment.complaints.append(f"{at}: damaged")
            if end < len(data) and not record_header(data, end):
                end = find_valid(data, at + 88) or end
        elif record.kind == 3:
            check_end(segment, record, due)
            segment.ended = True
        elif record.position < due or record.message < message_due:
            segment.complaints.append(f"{at}: repeated or moved")
        else:
            if record.position > due:
                segment.complaints.append(f"{at}: records missing")
            due, message_due = record.position + 1, record.message + 1
            segment.records.append(record)
        at = end
    if not segment.ended:
        segment.complaints.append("no end record")
    return segment


def check_end(segment: StrangerSegment, end: StrangerRecord, due: int) -> None:
    table, (root, _, count) = end.payload[:-60], struct.unpack(">32sqI", end.payload[-60:-16])
    rows = b"".join(
        struct.pack(">IIqQIBBH", r.offset, r.length, r.start, r.duration, r.message, r.kind, r.flags, r.samples)
        for r in segment.records
    )
    if count != due or table != rows or root != merkle([r.digest for r in segment.records]):
        segment.complaints.append(f"{end.offset}: the end record does not fit")
    segment.records.append(end)


def record_key(root: bytes, message: int) -> bytes:
    for _ in range(message):
        root = hkdf_expand(root, b"overt footage v1 next")
    return hkdf_expand(root, b"overt footage v1 fragment")


def open_all(segment: StrangerSegment, root: bytes) -> list[bytes]:
    """Return the plaintexts of the configurations and fragments; the end record's tag is confirmed."""
    if hkdf_expand(root, b"overt footage v1 commitment") != segment.commitment:
        raise RefusedError("the root of another period")
    opened = []
    for r in segment.records:
        key = record_key(root, r.message)
        if hkdf_expand(key, b"overt footage v1 key commitment") != r.commitment:
            raise RefusedError("key commitment")
        aad = segment.header_digest + r.header
        if r.kind == 3:
            AESGCM(key).decrypt(bytes(12), r.payload[-16:], aad + r.payload[:-16])
        else:
            opened.append(AESGCM(key).decrypt(bytes(12), r.payload, aad))
    return opened
