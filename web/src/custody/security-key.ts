// SPDX-License-Identifier: Apache-2.0
// Security keys (WebAuthn level 3, with user verification and the PRF extension): enrolling one, and asking for its touch.
// What a key's PRF gives becomes an age identity (docs/formats/keyring.md) and never leaves the page: it is no part of
// the JSON for the server. Nothing is kept here after a call.
import { base64urlnopad } from "@scure/base";
import { identityOf, recipientOf } from "./keyring.ts";

const PRF_INPUT = "overt security key v1";
const BACKUP_ELIGIBLE = 0x08;
const FLAGS = 32;

export type Fault = "browser" | "cancelled" | "no-prf" | "unverified" | "copied" | "known" | "other-key" | "failed";

/** A security key was not used. `fault` says why in one word; the message is for the person at the screen. */
export class SecurityKeyError extends Error {
  override readonly name = "SecurityKeyError";
  readonly fault: Fault;

  constructor(fault: Fault, message: string) {
    super(message);
    this.fault = fault;
  }
}

/** `PublicKeyCredential.toJSON()` in the members that a server verifies; extension outputs are left out but for `prf.enabled`. */
export interface CredentialJSON {
  readonly id: string;
  readonly rawId: string;
  readonly type: string;
  readonly authenticatorAttachment: string | null;
  readonly response: Readonly<Record<string, unknown>>;
  readonly clientExtensionResults: { readonly prf?: { readonly enabled: boolean } };
}

export interface Enrolled {
  readonly registration: CredentialJSON;
  /** `age1…`: what a keyring is sealed to. */
  readonly recipient: string;
}

export interface Touched {
  readonly assertion: CredentialJSON;
  /** `AGE-SECRET-KEY-1…`: what opens a keyring. A secret: forget it as soon as the keyring is open. */
  readonly identity: string;
}

const NO_PRF =
  "This security key cannot keep a footage key (it lacks the PRF extension, also called hmac-secret). " +
  "Use a FIDO2 key that has it, and a browser that offers it.";
const COPIED =
  "This is a passkey that can be copied to other devices, so its touch does not show that anybody held a key in the hand. " +
  "Use a hardware security key.";
const NO_WEBAUTHN =
  "The browser does not allow security keys here. Open this system by its name, over https, with a certificate that the browser trusts.";

/**
 * Makes a credential on a security key, and learns the recipient of its PRF. Where a key gives no PRF result while it is
 * enrolled, it is touched a second time. `options` are the server's, of which user verification, PRF and a key that is
 * carried in the hand are required in any case. Throws `SecurityKeyError`.
 */
export async function enrol(options: PublicKeyCredentialCreationOptionsJSON, signal?: AbortSignal): Promise<Enrolled> {
  needBrowser();
  const publicKey: PublicKeyCredentialCreationOptions = {
    rp: options.rp,
    user: { ...options.user, id: bytes(options.user.id) },
    challenge: bytes(options.challenge),
    pubKeyCredParams: options.pubKeyCredParams as PublicKeyCredentialParameters[],
    excludeCredentials: (options.excludeCredentials ?? []).map(descriptor),
    authenticatorSelection: {
      ...(options.authenticatorSelection as AuthenticatorSelectionCriteria | undefined),
      authenticatorAttachment: "cross-platform",
      userVerification: "required",
    },
    extensions: prf(),
    ...(options.timeout === undefined ? {} : { timeout: options.timeout }),
    ...(options.attestation === undefined ? {} : { attestation: options.attestation as AttestationConveyancePreference }),
  };
  const credential = await asked(() => navigator.credentials.create({ publicKey, ...(signal && { signal }) }));
  const response = credential.response as AuthenticatorAttestationResponse;
  const outputs = credential.getClientExtensionResults().prf;
  if (outputs?.enabled !== true && outputs?.results === undefined) throw new SecurityKeyError("no-prf", NO_PRF);
  const data = new Uint8Array(response.getAuthenticatorData());
  if (((data[FLAGS] ?? 0) & BACKUP_ELIGIBLE) !== 0) throw new SecurityKeyError("copied", COPIED);
  const first = outputs?.results?.first;
  const identity = first === undefined ? await prfOfNew(credential, options, signal) : await identityFrom(first, credential);
  const transports = response.getTransports();
  return {
    registration: {
      ...common(credential),
      response: {
        clientDataJSON: text(response.clientDataJSON),
        attestationObject: text(response.attestationObject),
        authenticatorData: text(data),
        transports,
        publicKeyAlgorithm: response.getPublicKeyAlgorithm(),
      },
      clientExtensionResults: { prf: { enabled: true } },
    },
    recipient: await recipientOf(identity),
  };
}

/** Asks for the touch of one of the keys in `options.allowCredentials`. Throws `SecurityKeyError`. */
export async function touch(options: PublicKeyCredentialRequestOptionsJSON, signal?: AbortSignal): Promise<Touched> {
  needBrowser();
  const allowed = options.allowCredentials ?? [];
  if (allowed.length === 0) throw new SecurityKeyError("other-key", "No security key is enrolled for this: enrol one first.");
  const publicKey: PublicKeyCredentialRequestOptions = {
    challenge: bytes(options.challenge),
    allowCredentials: allowed.map(descriptor),
    userVerification: "required",
    extensions: prf(),
    ...(options.rpId === undefined ? {} : { rpId: options.rpId }),
    ...(options.timeout === undefined ? {} : { timeout: options.timeout }),
  };
  const credential = await asked(() => navigator.credentials.get({ publicKey, ...(signal && { signal }) }));
  if (!allowed.some(({ id }) => text(bytes(id)) === credential.id)) {
    throw new SecurityKeyError("other-key", "That is not the security key that was asked for. Try again with the right one.");
  }
  const first = credential.getClientExtensionResults().prf?.results?.first;
  if (first === undefined) throw new SecurityKeyError("no-prf", NO_PRF);
  const response = credential.response as AuthenticatorAssertionResponse;
  return {
    assertion: {
      ...common(credential),
      response: {
        clientDataJSON: text(response.clientDataJSON),
        authenticatorData: text(response.authenticatorData),
        signature: text(response.signature),
        ...(response.userHandle === null ? {} : { userHandle: text(response.userHandle) }),
      },
      clientExtensionResults: {},
    },
    identity: await identityFrom(first, credential),
  };
}

/** The second touch of a key that was just enrolled. Its assertion is for nobody, so the challenge is the page's own. */
async function prfOfNew(
  credential: PublicKeyCredential,
  options: PublicKeyCredentialCreationOptionsJSON,
  signal: AbortSignal | undefined,
): Promise<string> {
  const { identity } = await touch(
    {
      challenge: text(crypto.getRandomValues(new Uint8Array(32))),
      allowCredentials: [{ type: "public-key", id: credential.id }],
      ...(options.rp.id === undefined ? {} : { rpId: options.rp.id }),
      ...(options.timeout === undefined ? {} : { timeout: options.timeout }),
    },
    signal,
  );
  return identity;
}

function prf(): AuthenticationExtensionsClientInputs {
  return { prf: { eval: { first: new TextEncoder().encode(PRF_INPUT) } } };
}

async function identityFrom(first: BufferSource, credential: PublicKeyCredential): Promise<string> {
  const output = view(first);
  try {
    return await identityOf(output, new Uint8Array(credential.rawId));
  } finally {
    output.fill(0);
  }
}

function needBrowser(): void {
  if (!globalThis.isSecureContext || !("PublicKeyCredential" in globalThis)) throw new SecurityKeyError("browser", NO_WEBAUTHN);
}

async function asked(ask: () => Promise<Credential | null>): Promise<PublicKeyCredential> {
  let credential: Credential | null;
  try {
    credential = await ask();
  } catch (fault) {
    throw explained(fault);
  }
  if (credential === null) throw explained(new DOMException("", "NotAllowedError"));
  return credential as PublicKeyCredential;
}

/** What the browser reports, in words. No browser tells a cancelled request from a key that was not asked for. */
function explained(fault: unknown): SecurityKeyError {
  const { name, message } = fault as DOMException;
  switch (name) {
    case "NotAllowedError":
    case "AbortError":
    case "TimeoutError":
      return new SecurityKeyError(
        "cancelled",
        "The security key was not used: it was cancelled, took too long, or is not one that was asked for. Nothing was opened. Try again.",
      );
    case "InvalidStateError":
      return new SecurityKeyError("known", "This security key is enrolled already. Use another one.");
    case "SecurityError":
      return new SecurityKeyError("browser", NO_WEBAUTHN);
    case "NotSupportedError":
    case "ConstraintError":
      return new SecurityKeyError(
        "unverified",
        "This security key cannot verify its owner by PIN or fingerprint, or is of a kind that cannot be used. Set a PIN on it, or use another one.",
      );
    default:
      return new SecurityKeyError("failed", `The security key was not used: ${message || name}. Try again.`);
  }
}

function common(credential: PublicKeyCredential): Pick<CredentialJSON, "id" | "rawId" | "type" | "authenticatorAttachment"> {
  const { id, type, authenticatorAttachment } = credential;
  return { id, rawId: text(credential.rawId), type, authenticatorAttachment };
}

function descriptor(each: PublicKeyCredentialDescriptorJSON): PublicKeyCredentialDescriptor {
  return {
    type: "public-key",
    id: bytes(each.id),
    ...(each.transports === undefined ? {} : { transports: each.transports as AuthenticatorTransport[] }),
  };
}

function view(source: BufferSource): Uint8Array<ArrayBuffer> {
  return source instanceof ArrayBuffer
    ? new Uint8Array(source)
    : new Uint8Array(source.buffer as ArrayBuffer, source.byteOffset, source.byteLength);
}

function bytes(encoded: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(base64urlnopad.decode(encoded.replace(/=+$/, "")));
}

function text(source: BufferSource): string {
  return base64urlnopad.encode(view(source));
}
