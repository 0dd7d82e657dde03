// SPDX-License-Identifier: Apache-2.0
// Answering a request with a security key, or with the recovery on paper: what is signed is the text that is shown, and of
// the keyring nothing is left when a call has ended.

import { base64urlnopad } from "@scure/base";
import { Decrypter, armor } from "age-encryption";

import type { Room } from "../viewing/room.ts";
import { openKeyring, tidyRecovery } from "./keyring.ts";
import { touch, type CredentialJSON } from "./security-key.ts";
import { decodeWrap, openLayer } from "./wrap.ts";

/** Bytes of a root, and what each layer adds (docs/formats/footage.md, "Wraps"). */
const ROOT = 32;
const LAYER = 48;

/** A request as the control room describes it. */
export interface KeyRequest {
  readonly id: string;
  readonly kind: string;
  readonly state: "open" | "done" | "refused" | "expired";
  /** What a key signs the SHA-256 of. */
  readonly text: string;
  /** The role whose key is asked now. */
  readonly turn: string | null;
  readonly turn_words: string;
  /** Why this person cannot answer now; empty if they can. */
  readonly why_not: string;
  /** Ids of their keys that can. */
  readonly credentials: readonly string[];
  readonly given: readonly { readonly role: string; readonly person: string; readonly at: string }[];
}

/** What a role's key opens: its keyring, and by key period the wrap and what is left of it. */
export interface Material {
  readonly role: string;
  readonly keyring: string;
  readonly sealed: Readonly<Record<string, { readonly wrap: string; readonly left: string }>>;
}

export interface Opened {
  readonly opened: Readonly<Record<string, string>>;
  /** Periods that the keyring does not open: something is wrong with them. */
  readonly failed: readonly string[];
}

export interface Consent {
  /** The cameras that the text names: no others are opened. */
  readonly cameras: readonly string[];
  readonly material: Material;
  /** Opens the role's keyring. */
  readonly identity: string;
}

/** What a request's text says: what is shown, and done, is what is signed. */
export function toldOf(request: Pick<KeyRequest, "text">): Readonly<Record<string, unknown>> {
  return JSON.parse(request.text) as Record<string, unknown>;
}

function camerasOf(request: Pick<KeyRequest, "text">): readonly string[] {
  const { cameras } = toldOf(request);
  return Array.isArray(cameras) ? cameras.map(String) : [];
}

type Asking = Pick<Room, "ask">;

/** Has a key touched for a request. Rejects with SecurityKeyError or RequestError; nothing is opened then. */
export async function consentWithKey(room: Asking, request: KeyRequest, signal?: AbortSignal): Promise<Consent> {
  const { assertion, identity } = await signed(request, signal);
  const material = (await room.ask("POST", `/key-requests/${request.id}/consent`, { assertion })) as Material;
  return { cameras: camerasOf(request), material, identity };
}

async function signed(request: KeyRequest, signal?: AbortSignal): Promise<{ assertion: CredentialJSON; identity: string }> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(request.text)));
  return touch(
    {
      challenge: base64urlnopad.encode(digest),
      rpId: location.hostname,
      allowCredentials: request.credentials.map((id) => ({ type: "public-key", id })),
    },
    signal,
  );
}

/** Shows that somebody has the recovery on paper. Rejects with KeyringError or RequestError. */
export async function consentWithRecovery(room: Asking, request: KeyRequest, typed: string): Promise<Consent> {
  const identity = tidyRecovery(typed);
  const begun = (await room.ask("POST", `/key-requests/${request.id}/begin-recovery`)) as { number: string };
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  let number: Uint8Array;
  try {
    number = await decrypter.decrypt(armor.decode(begun.number));
  } catch {
    throw new Error("This is not the recovery of the role whose key is asked: look at what is written on the paper.");
  }
  const body = { number: base64urlnopad.encode(number) };
  const material = (await room.ask("POST", `/key-requests/${request.id}/recover`, body)) as Material;
  return { cameras: camerasOf(request), material, identity };
}

/**
 * Opens the layers that a key is for. Rejects with KeyringError if the keyring does not open, and with Error if a wrap is of
 * a camera that was not signed for: a wrap's camera is bound to it by HPKE, so nobody passes one off for another.
 */
export async function openLayers({ cameras, material, identity }: Consent): Promise<Opened> {
  const periods = Object.entries(material.sealed);
  if (periods.length === 0) return { opened: {}, failed: [] };
  const keyring = await openKeyring(material.keyring, identity);
  const opened: Record<string, string> = {};
  const failed: string[] = [];
  for (const [period, each] of periods) {
    const wrap = decodeWrap(base64urlnopad.decode(each.wrap));
    if (!cameras.includes(wrap.camera) || wrap.period !== period) {
      throw new Error(`The control room wants another camera opened than your key has signed for (${wrap.camera}). Nothing was opened: tell whoever keeps keys.`);
    }
    try {
      const left = base64urlnopad.decode(each.left);
      const layer = await openLayer(wrap, (left.length - ROOT) / LAYER - 1, left, keyring);
      opened[period] = base64urlnopad.encode(layer);
      layer.fill(0);
    } catch (error) {
      // One that does not open must not keep the others shut; it is told, and written down.
      if (!(error instanceof Error) || error.name !== "WrapError") throw error;
      failed.push(period);
    }
  }
  return { opened, failed };
}

/** Brings back what was opened; answers with what has happened, in words. */
export async function bring(room: Asking, request: string, opened: Opened): Promise<{ done: boolean; said: string }> {
  return (await room.ask("POST", `/key-requests/${request}/bring`, opened)) as { done: boolean; said: string };
}
