// SPDX-License-Identifier: Apache-2.0
// The keyring of a role: its private keys in an armoured age file, which opens with one of several security keys or with
// the paper recovery. The format is docs/formats/keyring.md. Everything here is given to the caller and kept nowhere.
import { base64urlnopad, bech32, hex } from "@scure/base";
import { Decrypter, Encrypter, armor, generateX25519Identity, identityToRecipient } from "age-encryption";
import { CipherSuite, AEAD_AES_256_GCM, KDF_HKDF_SHA256, KEM_DHKEM_X25519_HKDF_SHA256 } from "hpke";

const FORMAT = "overt role keyring";
const VERSION = 1;
const MAX_ARMOURED = 128 * 1024;
const MAX_KEYS = 256;
const IDENTITY_LENGTH = 74;
const IDENTITY_PREFIX = "AGE-SECRET-KEY-";
const RECIPIENT_PREFIX = "age";
const DERIVATION = "overt security key v1 age identity";
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const NAME = /^[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?$/;
const KEY_ID = /^[0-9a-f]{16}$/;
const KEY = /^[0-9a-f]{64}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;
const ARMOUR = "-----BEGIN AGE ENCRYPTED FILE-----";

/** What HPKE is used with (docs/formats/footage.md, "Wraps"); X25519 is the browser's own. */
export const suite = new CipherSuite<CryptoKey>(KEM_DHKEM_X25519_HKDF_SHA256, KDF_HKDF_SHA256, AEAD_AES_256_GCM);

/** A keyring or a recovery secret is not what it should be; the message is for the person at the screen. */
export class KeyringError extends Error {
  override readonly name = "KeyringError";
}

/** One private key of a role. The names are those of the file. */
export interface RoleKey {
  readonly key_id: string;
  readonly private_key: string;
  readonly created: string;
}

/** All keys of a role, newest last: after a change of keys the older ones still open older footage. */
export interface Keyring {
  readonly site_id: string;
  readonly role: string;
  readonly keys: readonly RoleKey[];
}

/** An X25519 key pair for a role: `key` for its keyring, `public_key` (64 hexadecimal digits) for everyone. */
export interface NewRoleKey {
  readonly key: RoleKey;
  readonly public_key: string;
}

/** The secret that is printed on paper, and the recipient that a keyring is sealed to for it. */
export interface Recovery {
  readonly secret: string;
  readonly recipient: string;
}

/** The name of a public key: the first 16 hexadecimal digits of its SHA-256. */
export async function keyIdOf(publicKey: Uint8Array<ArrayBuffer>): Promise<string> {
  return hex.encode(new Uint8Array(await crypto.subtle.digest("SHA-256", publicKey)).subarray(0, 8));
}

export async function newRoleKey(now: Date = new Date()): Promise<NewRoleKey> {
  const pair = await suite.GenerateKeyPair(true);
  const publicKey = new Uint8Array(await suite.SerializePublicKey(pair.publicKey));
  const secret = await suite.SerializePrivateKey(pair.privateKey);
  const key = {
    key_id: await keyIdOf(publicKey),
    private_key: hex.encode(secret),
    created: now.toISOString().replace(/\.\d+Z$/, "Z"),
  };
  secret.fill(0);
  return { key, public_key: hex.encode(publicKey) };
}

/** The age identity of a security key: what its PRF gave (32 bytes) and its raw credential id determine it. */
export async function identityOf(prfOutput: Uint8Array<ArrayBuffer>, credentialId: Uint8Array<ArrayBuffer>): Promise<string> {
  if (prfOutput.length !== 32) throw new KeyringError(`The security key gave ${prfOutput.length} bytes where 32 were due.`);
  if (credentialId.length === 0) throw new KeyringError("The security key gave no credential id.");
  const ikm = await crypto.subtle.importKey("raw", prfOutput, "HKDF", false, ["deriveBits"]);
  const info = new TextEncoder().encode(DERIVATION);
  const bits = await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt: credentialId, info }, ikm, 256);
  return identityFrom(new Uint8Array(bits));
}

/** `age1…` of `AGE-SECRET-KEY-1…`. */
export async function recipientOf(identity: string): Promise<string> {
  secretOf(identity).fill(0);
  return await identityToRecipient(identity);
}

export async function newRecovery(): Promise<Recovery> {
  const secret = await generateX25519Identity();
  return { secret, recipient: await identityToRecipient(secret) };
}

/** A recovery secret as a person typed it from paper: any case, blanks and line ends. Throws `KeyringError`. */
export function tidyRecovery(typed: string): string {
  const secret = typed.replace(/\s/gu, "").toUpperCase();
  if (!secret.startsWith(`${IDENTITY_PREFIX}1`)) {
    throw new KeyringError(`The recovery secret begins with ${IDENTITY_PREFIX}1: copy the whole line from the paper.`);
  }
  if (secret.length !== IDENTITY_LENGTH) {
    throw new KeyringError(`The recovery secret has ${IDENTITY_LENGTH} characters; ${secret.length} were typed.`);
  }
  secretOf(secret).fill(0);
  return secret;
}

/** Seals a keyring to its security keys and its paper recovery: armoured, one X25519 stanza for each recipient. */
export async function sealKeyring(keyring: Keyring, recipients: readonly string[]): Promise<string> {
  if (recipients.length === 0) throw new KeyringError("A keyring is sealed to at least one security key.");
  if (new Set(recipients).size !== recipients.length) throw new KeyringError("One security key was given twice.");
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(checkedRecipient(recipient));
  const { site_id, role } = keyring;
  const keys = keyring.keys.map(({ key_id, private_key, created }) => ({ key_id, private_key, created }));
  const text = JSON.stringify({ format: FORMAT, version: VERSION, site_id, role, keys });
  await parseKeyring(text);
  return armor.encode(await encrypter.encrypt(text));
}

/** Opens a keyring with an age identity. Throws `KeyringError`: the identity does not open it, or it is none. */
export async function openKeyring(armoured: string, identity: string): Promise<Keyring> {
  if (armoured.length > MAX_ARMOURED || !armoured.trimStart().startsWith(ARMOUR)) {
    throw new KeyringError("This is no keyring: it is no armoured age file, or too long for one.");
  }
  secretOf(identity).fill(0);
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  let text: string;
  try {
    text = await decrypter.decrypt(armor.decode(armoured), "text");
  } catch (fault) {
    const why = fault instanceof Error ? fault.message : String(fault);
    throw new KeyringError(`The keyring does not open: it is not sealed to this key, or was altered (${why}).`);
  }
  return await parseKeyring(text);
}

/** Reads what is inside a keyring's age file. Throws `KeyringError`, which never repeats a key. */
export async function parseKeyring(text: string): Promise<Keyring> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new KeyringError("What is in this keyring is no JSON.");
  }
  const { format, version, site_id, role, keys } = members(value, "the keyring", ["format", "version", "site_id", "role", "keys"]);
  if (format !== FORMAT) throw new KeyringError(`This is no keyring: its format is not "${FORMAT}".`);
  if (version !== VERSION) throw new KeyringError(`This keyring has a version other than ${VERSION}: use a newer program.`);
  if (!Array.isArray(keys) || keys.length < 1 || keys.length > MAX_KEYS) {
    throw new KeyringError(`A keyring holds 1 to ${MAX_KEYS} keys; this one does not.`);
  }
  const read: RoleKey[] = [];
  for (const [index, each] of keys.entries()) read.push(await parseKey(each, `key ${index + 1} of the keyring`));
  if (new Set(read.map(({ key_id }) => key_id)).size !== read.length) {
    throw new KeyringError("This keyring holds one key twice.");
  }
  return { site_id: matching(site_id, UUID, "site_id"), role: matching(role, NAME, "role"), keys: read };
}

async function parseKey(value: unknown, where: string): Promise<RoleKey> {
  const found = members(value, where, ["key_id", "private_key", "created"]);
  const key_id = matching(found.key_id, KEY_ID, `key_id of ${where}`);
  const private_key = matching(found.private_key, KEY, `private_key of ${where}`);
  const created = matching(found.created, TIME, `created of ${where}`);
  if (Number.isNaN(Date.parse(created))) throw new KeyringError(`The keyring is damaged: created of ${where} is no time.`);
  if ((await keyIdOf(await publicKeyOf(private_key))) !== key_id) {
    throw new KeyringError(`The keyring is damaged: key_id of ${where} is not that of its private key.`);
  }
  return { key_id, private_key, created };
}

/** The public key of a private one (64 hexadecimal digits). */
export async function publicKeyOf(privateKey: string): Promise<Uint8Array<ArrayBuffer>> {
  // The browser derives the public key when it imports the private one, and gives it back in this form alone.
  const { x } = await crypto.subtle.exportKey("jwk", await suite.DeserializePrivateKey(hex.decode(privateKey), true));
  if (x === undefined) throw new KeyringError("This browser does not compute with X25519 keys: use a newer one.");
  return new Uint8Array(base64urlnopad.decode(x));
}

function members<Name extends string>(value: unknown, where: string, names: readonly Name[]): Record<Name, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new KeyringError(`The keyring is damaged: ${where} is no object.`);
  }
  const unknown = Object.keys(value).filter((name) => !(names as readonly string[]).includes(name));
  const missing = names.filter((name) => !Object.hasOwn(value, name));
  if (unknown.length > 0) throw new KeyringError(`The keyring is of another version: ${where} has a member too many.`);
  if (missing.length > 0) throw new KeyringError(`The keyring is damaged: ${where} lacks ${missing.join(", ")}.`);
  return value as Record<Name, unknown>;
}

function matching(value: unknown, pattern: RegExp, what: string): string {
  if (typeof value === "string" && pattern.test(value)) return value;
  throw new KeyringError(`The keyring is damaged: ${what} is not in its form.`);
}

function identityFrom(secret: Uint8Array): string {
  const identity = bech32.encodeFromBytes(IDENTITY_PREFIX, secret).toUpperCase();
  secret.fill(0);
  return identity;
}

/** The 32 bytes of an age identity. Throws `KeyringError` if it is none. */
function secretOf(identity: string): Uint8Array {
  try {
    const { prefix, bytes } = bech32.decodeToBytes(identity);
    if (prefix.toUpperCase() === IDENTITY_PREFIX && identity === identity.toUpperCase() && bytes.length === 32) return bytes;
  } catch {
    // Said below: what the library says would repeat the secret.
  }
  throw new KeyringError("The secret was mistyped: its checksum does not fit. Compare it with the paper, character by character.");
}

function checkedRecipient(recipient: string): string {
  try {
    const { prefix, bytes } = bech32.decodeToBytes(recipient);
    if (prefix === RECIPIENT_PREFIX && bytes.length === 32) return recipient;
  } catch {
    // Said below.
  }
  throw new KeyringError(`"${recipient.slice(0, 80)}" is not the recipient of a security key (age1…).`);
}
