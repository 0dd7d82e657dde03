// SPDX-License-Identifier: Apache-2.0
// The pages about keys in hand: each `[data-custody]` is a small task of which the page has the words and this the deeds.

import { Room } from "../viewing/room.ts";
import { bring, consentWithKey, consentWithRecovery, openLayers, toldOf, type KeyRequest } from "./answering.ts";
import { newRecovery, newRoleKey, openKeyring, sealKeyring, tidyRecovery, type Keyring, type NewRoleKey, type Recovery } from "./keyring.ts";
import { enrol } from "./security-key.ts";

const room = Room.here();
type Say = (words: string) => void;
type Deed = (place: HTMLElement, say: Say) => Promise<void>;

/** Registers a security key of whoever is signed in. */
const register: Deed = async (place, say) => {
  const form = new FormData(place as HTMLFormElement);
  const [role, label] = [String(form.get("role") ?? ""), String(form.get("label") ?? "").trim()];
  if (role === "" || label === "") {
    say(role === "" ? "Choose what the key is for." : "Enter a name of the key.");
    return;
  }
  say("Touch the key when it blinks.");
  const options = (await room.ask("POST", "/keys/options")) as PublicKeyCredentialCreationOptionsJSON;
  const { registration, recipient } = await enrol(options);
  await room.ask("POST", "/keys/new", { role, label, registration, recipient });
  leave(place);
};

/** What is being sealed on this page, until it is. */
const founding = new WeakMap<HTMLElement, { made: NewRoleKey; recovery: Recovery }>();

/** Founds a keyring, in two steps: the recovery is shown, and typed back before a key is touched. */
const seal: Deed = async (place, say) => {
  const { role = "", site = "", founded = "" } = place.dataset;
  if (founded === "" && !founding.has(place)) {
    const [made, recovery] = await Promise.all([newRoleKey(), newRecovery()]);
    founding.set(place, { made, recovery });
    const paper = place.querySelector<HTMLElement>("[data-paper]");
    if (paper !== null) paper.hidden = false;
    const shown = place.querySelector<HTMLOutputElement>("[data-recovery]");
    if (shown !== null) shown.value = recovery.secret.match(/.{1,8}/g)?.join(" ") ?? "";
    const button = place.querySelector<HTMLButtonElement>("[data-begin]");
    if (button !== null) button.textContent = "Found the keyring: touch your key";
    say("Write the recovery down first.");
    place.querySelector<HTMLElement>("#typed")?.focus();
    return;
  }
  const form = new FormData(place as HTMLFormElement);
  const begun = founding.get(place);
  if (begun !== undefined && tidyRecovery(String(form.get("typed") ?? "")) !== begun.recovery.secret) {
    say("That is not what is shown above: compare it with the paper.");
    return;
  }
  const made = begun?.made ?? (form.get("key") === "new" ? await newRoleKey() : undefined);
  const asked = (await room.ask("POST", `/keyrings/${role}/ask`, {
    public_key: made?.public_key ?? "",
    recovery: begun?.recovery.recipient ?? "",
  })) as KeyRequest;
  if (asked.why_not !== "") throw new Error(asked.why_not);
  // What is shown is what is sealed to: the text that is signed must say the same.
  const told = toldOf(asked) as { keys: { recipient: string }[]; recovery: string };
  const wanted = [...place.querySelectorAll<HTMLElement>("[data-recipient]")].map((each) => each.dataset.recipient ?? "");
  const recovery = begun?.recovery.recipient ?? place.dataset.paperRecipient ?? "";
  const recipients = told.keys.map((each) => each.recipient);
  if (recipients.join() !== wanted.join() || told.recovery !== recovery) {
    throw new Error("The keys have changed since this page was loaded. Load it anew and look at the list.");
  }
  say("Touch your key when it blinks.");
  const { material, identity } = await consentWithKey(room, asked);
  const before: Keyring =
    material.keyring === "" ? { site_id: site, role, keys: [] } : await openKeyring(material.keyring, identity);
  const keyring = made === undefined ? before : { ...before, keys: [...before.keys, made.key] };
  if (keyring.site_id !== site || keyring.role !== role) throw new Error("This is the keyring of another role or site. Nothing was sealed.");
  const sealed = await sealKeyring(keyring, [...recipients, recovery]);
  await room.ask("POST", "/keyrings/seal", { request: asked.id, sealed });
  founding.delete(place);
  leave(place);
};

/** Answers the request that the page shows. */
const answer: Deed = async (place, say) => {
  const request = (await room.ask("GET", `/key-requests/${place.dataset.request ?? ""}/state`)) as KeyRequest;
  if (request.why_not !== "") throw new Error(request.why_not);
  say("Touch your key when it blinks.");
  await finish(place, say, request.id, await consentWithKey(room, request));
};

/** Answers it with the recovery on paper. */
const recover: Deed = async (place, say) => {
  const field = place.querySelector<HTMLTextAreaElement>("textarea");
  const request = (await room.ask("GET", `/key-requests/${place.dataset.request ?? ""}/state`)) as KeyRequest;
  const consent = await consentWithRecovery(room, request, field?.value ?? "");
  if (field !== null) field.value = "";
  await finish(place, say, request.id, consent);
};

async function finish(place: HTMLElement, say: Say, request: string, consent: Parameters<typeof openLayers>[0]): Promise<void> {
  const opened = await openLayers(consent);
  const { said, done } = await bring(room, request, opened);
  for (const button of place.querySelectorAll("button")) button.remove();
  const failed = opened.failed.length === 0 ? "" : ` ${opened.failed.length} key periods did not open: tell whoever looks after this system.`;
  say((said || (done ? "Done." : "Agreed. The other key is asked next.")) + failed);
}

/** Goes to the page of a request that was just put. */
function goTo(path: string, body: (place: HTMLElement) => unknown): Deed {
  return async (place) => {
    const asked = (await room.ask("POST", path.replace("KEY", place.dataset.key ?? ""), body(place))) as KeyRequest;
    location.assign(`/key-requests/${asked.id}`);
  };
}

const DEEDS: Readonly<Record<string, Deed>> = {
  register,
  seal,
  answer,
  recover,
  approve: goTo("/keys/KEY/ask-approval", () => ({})),
  drill: goTo("/viewing/key-drill", () => ({})),
  policy: goTo("/custody/ask", (place) => ({ policy: new FormData(place as HTMLFormElement).get("policy") })),
};

function leave(place: HTMLElement): void {
  location.assign(place.dataset.next ?? "/keys");
}

for (const place of document.querySelectorAll<HTMLElement>("[data-custody]")) {
  const deed = DEEDS[place.dataset.custody ?? ""];
  if (deed === undefined) continue;
  const say: Say = (words) => {
    const where = place.querySelector("[data-say]");
    if (where !== null) where.textContent = words;
  };
  let busy = false;
  const begin = (what: Deed): void => {
    if (busy) return;
    busy = true;
    say("");
    what(place, say)
      .catch((error: unknown) => say(error instanceof Error ? error.message : String(error)))
      .finally(() => (busy = false));
  };
  if (place instanceof HTMLFormElement) {
    place.addEventListener("submit", (event) => {
      event.preventDefault();
      begin(deed);
    });
  } else place.querySelector("[data-begin]")?.addEventListener("click", () => begin(deed));
  place.querySelector("[data-refuse]")?.addEventListener("click", () =>
    begin(async (where, words) => {
      await room.ask("POST", `/key-requests/${where.dataset.request ?? ""}/refuse`);
      for (const button of where.querySelectorAll("button")) button.remove();
      words("You have refused. Nothing was opened.");
    }),
  );
}
