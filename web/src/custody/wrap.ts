// SPDX-License-Identifier: Apache-2.0
// Wraps: the root of a key period, encrypted to one role, or to two of which the last must open first. The format is
// docs/formats/footage.md, "Wraps".
import { hex } from "@scure/base";
import { DecapError, DeserializeError, OpenError } from "hpke";
import { type Keyring, publicKeyOf, suite } from "./keyring.ts";

const MAGIC = "OVWK";
const VERSION = 1;
const MAX_SIZE = 512;
const ROOT = 32;
const ENCAPSULATED = 32;
const OVERHEAD = 48;
const KEY_ID = 8;
const INFO = "overt footage v1 period root\0";
const NAME = /^[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?$/;

/** A wrap is damaged, or needs another key; the message is for the person at the screen. */
export class WrapError extends Error {
  override readonly name = "WrapError";
}

export interface Layer {
  readonly role: string;
  readonly keyId: string;
}

export interface Wrap {
  readonly site: string;
  readonly period: string;
  readonly camera: string;
  readonly stream: string;
  /** Innermost first: the last one is opened first. */
  readonly layers: readonly Layer[];
  /** What the last layer's key opens. */
  readonly sealed: Uint8Array<ArrayBuffer>;
}

/** Reads a wrapped key. Throws `WrapError`. */
export function decodeWrap(data: Uint8Array): Wrap {
  const reader = new Reader(data);
  if (data.length > MAX_SIZE) throw new WrapError(`A wrapped key has at most ${MAX_SIZE} bytes; this one has ${data.length}.`);
  if (new TextDecoder("latin1").decode(reader.take(4, "its magic")) !== MAGIC) throw new WrapError(`This is no wrapped key: it does not begin with ${MAGIC}.`);
  const version = reader.byte("its version");
  if (version !== VERSION) throw new WrapError(`This wrapped key has version ${version}; this page reads version ${VERSION}: load it anew.`);
  const count = reader.byte("its number of roles");
  if (count !== 1 && count !== 2) throw new WrapError(`A wrapped key is for one role or two; this one says ${count}.`);
  const reserved = reader.take(2, "its reserved field");
  if (reserved.some((byte) => byte !== 0)) throw new WrapError("The wrapped key is damaged: a field that must be zero is not.");
  const site = reader.uuid("its site");
  const period = reader.uuid("its key period");
  const camera = reader.name("its camera");
  const stream = reader.name("its stream");
  const layers: Layer[] = [];
  for (let number = 0; number < count; number += 1) {
    const role = reader.name(`role ${number}`);
    layers.push({ role, keyId: hex.encode(reader.take(KEY_ID, `the key id of role ${number}`)) });
  }
  const sealed = new Uint8Array(reader.rest());
  if (sealed.length !== ROOT + count * OVERHEAD) {
    throw new WrapError(`The wrapped key is damaged: ${sealed.length} sealed bytes do not go with ${count} roles.`);
  }
  return { site, period, camera, stream, layers, sealed };
}

/**
 * Opens one layer with a role's keyring. `sealed` is `wrap.sealed` for the last layer, and for the one inside it what the
 * last layer gave. Layer 0 gives the root of the key period.
 */
export async function openLayer(wrap: Wrap, number: number, sealed: Uint8Array, keyring: Keyring): Promise<Uint8Array<ArrayBuffer>> {
  const layer = wrap.layers[number];
  if (layer === undefined) throw new WrapError(`This wrapped key has ${wrap.layers.length} layers; layer ${number} is none of them.`);
  if (sealed.length !== ROOT + (number + 1) * OVERHEAD) throw new WrapError(`Layer ${number} has ${ROOT + (number + 1) * OVERHEAD} bytes; ${sealed.length} were given.`);
  const whose = `The footage of ${wrap.camera} (${wrap.stream})`;
  if (keyring.site_id !== wrap.site) throw new WrapError(`${whose} is of site ${wrap.site}; this keyring is of site ${keyring.site_id}.`);
  if (keyring.role !== layer.role) throw new WrapError(`${whose} needs the role ${layer.role} now; this keyring is of the role ${keyring.role}.`);
  const key = keyring.keys.find(({ key_id }) => key_id === layer.keyId);
  if (key === undefined) {
    throw new WrapError(`${whose} needs key ${layer.keyId} of the role ${layer.role}, which is not in this keyring.`);
  }
  const secret = hex.decode(key.private_key);
  try {
    // Both halves are given: from one that cannot be exported not every browser derives the other.
    const privateKey = await suite.DeserializePrivateKey(secret);
    const publicKey = await suite.DeserializePublicKey(await publicKeyOf(key.private_key));
    const opened = await suite.Open({ privateKey, publicKey }, sealed.subarray(0, ENCAPSULATED), sealed.subarray(ENCAPSULATED), {
      info: infoOf(wrap, number),
    });
    return new Uint8Array(opened);
  } catch (fault) {
    if (fault instanceof OpenError || fault instanceof DecapError || fault instanceof DeserializeError) {
      throw new WrapError(`${whose} does not open with key ${layer.keyId} of the role ${layer.role}: the wrapped key was altered.`);
    }
    throw new WrapError(`This browser cannot open footage with X25519 keys (${(fault as Error).message}): use a newer one.`);
  } finally {
    secret.fill(0);
  }
}

/** HPKE's `info` of one layer: it binds site, period, stream, all roles in order, and which layer it is. */
export function infoOf(wrap: Wrap, number: number): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder();
  const named = [wrap.camera, wrap.stream, ...wrap.layers.map(({ role }) => role)].flatMap((name) => {
    const bytes = text.encode(name);
    return [bytes.length, ...bytes];
  });
  return Uint8Array.from([...text.encode(INFO), ...uuidBytes(wrap.site), ...uuidBytes(wrap.period), wrap.layers.length, number, ...named]);
}

function uuidBytes(uuid: string): Uint8Array {
  return hex.decode(uuid.replaceAll("-", ""));
}

class Reader {
  readonly #data: Uint8Array;
  #position = 0;

  constructor(data: Uint8Array) {
    this.#data = data;
  }

  take(count: number, what: string): Uint8Array {
    const end = this.#position + count;
    if (end > this.#data.length) throw new WrapError(`The wrapped key is cut short at byte ${this.#data.length}, within ${what}.`);
    const part = this.#data.subarray(this.#position, end);
    this.#position = end;
    return part;
  }

  byte(what: string): number {
    return this.take(1, what)[0] as number;
  }

  uuid(what: string): string {
    const digits = hex.encode(this.take(16, what));
    return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join("-");
  }

  name(what: string): string {
    const name = new TextDecoder("latin1").decode(this.take(this.byte(what), what));
    if (!NAME.test(name)) throw new WrapError(`The wrapped key is damaged: ${what} has no lawful name.`);
    return name;
  }

  rest(): Uint8Array {
    return this.#data.subarray(this.#position);
  }
}
