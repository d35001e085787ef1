// Passkeys: asks the browser for one, and sends what it says as the form would be sent.
//
// <div data-passkey="get|create" data-options="/path" hidden> stays hidden where the browser has no passkeys. The options
// come from our own page; what the authenticator answers goes into the field "answer" as JSON.

export function addPasskeys(root) {
  if (!globalThis.PublicKeyCredential || !navigator.credentials) return;
  for (const place of root.querySelectorAll("[data-passkey]")) {
    place.hidden = false;
    new Passkey(place).listen();
  }
}

class Passkey {
  #place;
  #form;
  #waiting = null;
  #asked = null;

  constructor(place) {
    this.#place = place;
    this.#form = place.closest("form");
  }

  listen() {
    this.#find("ask").addEventListener("click", () => this.#ask());
    if ("autofill" in this.#place.dataset) this.#offer();
  }

  /** The button: whatever the autofill waits for is given up first, since a browser does one at a time. */
  async #ask() {
    this.#waiting?.abort();
    this.#say("");
    if (!this.#form.reportValidity() && this.#place.dataset.passkey === "create") return;
    try {
      await this.#run();
    } catch (error) {
      this.#say(error.name === "InvalidStateError" ? "known" : error instanceof Later ? "wait" : "refused");
    }
  }

  /** Autofill: the browser lists passkeys with the user names, and nothing is shown unless one is chosen. */
  async #offer() {
    if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
    this.#waiting = new AbortController();
    try {
      await this.#run({ mediation: "conditional", signal: this.#waiting.signal });
    } catch {
      // Nobody asked for it: the button and the password are still there.
    }
  }

  async #run(how = {}) {
    const told = await this.#options();
    const making = this.#place.dataset.passkey === "create";
    const publicKey = decode(told.publicKey ?? told);
    const found = making
      ? await navigator.credentials.create({ publicKey })
      : await navigator.credentials.get({ publicKey, ...how });
    this.#set("answer", JSON.stringify(encode(found)));
    if (told.token) this.#set("offer", told.token);
    // The password, if one was typed or filled in, is not needed and stays here.
    for (const field of this.#form.querySelectorAll("input[type=password]")) field.disabled = true;
    this.#form.requestSubmit(this.#find("send"));
  }

  /** One after the other: of two at once the later would make the earlier's challenge worthless, or be refused. */
  #options() {
    const before = this.#asked;
    this.#asked = (async () => {
      await before?.catch(() => {});
      return this.#fetch();
    })();
    return this.#asked;
  }

  async #fetch() {
    const fields = new FormData(this.#form);
    const body = new URLSearchParams();
    for (const name of ["csrf_token", "ticket"]) if (fields.has(name)) body.set(name, fields.get(name));
    const answer = await fetch(this.#place.dataset.options, { method: "POST", body, headers: { accept: "application/json" } });
    if (!answer.ok) throw new Later();
    return answer.json();
  }

  #set(name, value) {
    const field = this.#place.querySelector(`[name=${name}]`);
    field.disabled = false;
    field.value = value;
  }

  #find(part) {
    return this.#place.querySelector(`[data-passkey-${part}]`);
  }

  #say(which) {
    const line = this.#find("trouble");
    line.hidden = !which;
    line.textContent = which ? line.dataset[which] : "";
  }
}

class Later extends Error {}

/** Options as JSON, with bytes where the browser wants them. */
function decode(options) {
  const bytes = { ...options, challenge: toBytes(options.challenge) };
  if (options.user) bytes.user = { ...options.user, id: toBytes(options.user.id) };
  for (const list of ["allowCredentials", "excludeCredentials"]) {
    if (options[list]) bytes[list] = options[list].map((each) => ({ ...each, id: toBytes(each.id) }));
  }
  return bytes;
}

/** What the authenticator said, as JSON; as `toJSON` would, which not every browser has. */
function encode(found) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (found.response[name]) response[name] = toText(found.response[name]);
  }
  if (found.response.getTransports) response.transports = found.response.getTransports();
  return {
    id: found.id,
    rawId: toText(found.rawId),
    type: found.type,
    authenticatorAttachment: found.authenticatorAttachment ?? undefined,
    clientExtensionResults: found.getClientExtensionResults(),
    response,
  };
}

function toBytes(text) {
  const raw = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(raw, (letter) => letter.charCodeAt(0));
}

function toText(buffer) {
  const raw = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(raw).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
