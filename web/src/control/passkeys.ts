// SPDX-License-Identifier: Apache-2.0
// Forms that a passkey fills in: `<form data-passkey="create | use | sign-in">`. What the authenticator answers is sent
// as JSON in the field `credential`; what goes wrong is said in the form's `[data-passkey-message]`.

interface Options {
  publicKey: PublicKeyCredentialCreationOptionsJSON | PublicKeyCredentialRequestOptionsJSON;
}

const FAULTS: Record<string, string> = {
  NotAllowedError: "The passkey was not used: it was cancelled, or took too long. Try again.",
  InvalidStateError: "This device holds a passkey for your account already.",
  SecurityError:
    "The browser does not allow passkeys here. Open this system by its name, not by a number, with a certificate that the browser trusts.",
  NotSupportedError: "This device cannot make the kind of passkey that is needed.",
};
const TOO_OLD = "This browser cannot use passkeys on this page. Sign in another way, or use a newer browser.";

async function optionsOf(form: HTMLFormElement): Promise<Options> {
  const given = form.dataset.passkeyOptions;
  if (given !== undefined) return JSON.parse(given) as Options;
  const answer = await fetch(form.action, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`The server answered ${answer.status}. Wait a minute and try again.`);
  return ((await answer.json()) as { request_options: Options }).request_options;
}

/** Asks for a passkey that can sign in by itself: kept by the authenticator, and opened by its owner alone. */
async function created(options: Options): Promise<Credential | null> {
  const wanted = options.publicKey as PublicKeyCredentialCreationOptionsJSON;
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON({
    ...wanted,
    authenticatorSelection: {
      ...wanted.authenticatorSelection,
      residentKey: "required",
      requireResidentKey: true,
      userVerification: "required",
    },
  });
  return await navigator.credentials.create({ publicKey });
}

async function used(options: Options): Promise<Credential | null> {
  const wanted = options.publicKey as PublicKeyCredentialRequestOptionsJSON;
  return await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(wanted) });
}

async function fill(form: HTMLFormElement): Promise<void> {
  const options = await optionsOf(form);
  const credential = await (form.dataset.passkey === "create" ? created(options) : used(options));
  if (!(credential instanceof PublicKeyCredential)) throw new Error(FAULTS.NotAllowedError);
  const field = form.elements.namedItem("credential") as HTMLInputElement;
  field.value = JSON.stringify(credential.toJSON());
  form.submit();
}

for (const form of document.querySelectorAll<HTMLFormElement>("form[data-passkey]")) {
  const say = (words: string): void => {
    const place = form.querySelector("[data-passkey-message]");
    if (place !== null) place.textContent = words;
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    say("");
    if (!("PublicKeyCredential" in globalThis) || !("parseRequestOptionsFromJSON" in PublicKeyCredential)) {
      say(TOO_OLD);
      return;
    }
    fill(form).catch((fault: unknown) => {
      const error = fault as Error;
      say(FAULTS[error.name] ?? `The passkey was not used: ${error.message}`);
    });
  });
}

export {};
