// A certified OpenID provider for tests: real protocol, a few made-up people, and a way to make it misbehave.
//
// node provider.mjs SETTINGS   SETTINGS is a JSON file:
//   issuer      its own address, `https://127.0.0.1:PORT`
//   control     a port on loopback for orders (POST /ORDER, JSON in, JSON out; see `orders` below)
//   tls         { key, cert }: files; ca: a file with the authority that those it calls are verified against
//   reach       { "host name": port }: where on loopback the hosts are that it calls
//   clients     as in the provider's own documentation
//   people      { "name": { claims…, amr, acr } }; the name is what is typed and the subject
//
// Nothing here is fit for anything but tests: whoever types a name is that person.

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';

import Provider, { interactionPolicy } from 'oidc-provider';

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const authority = readFileSync(settings.tls.ca);
const loginPath = /^\/interaction\/([\w-]+)$/;

/** Everything that was asked for: { route, client, parameters }. */
const journal = [];
/** Every logout token that was sent: { client, status } or { client, error }. */
const deliveries = [];
/** What each endpoint is to answer instead of doing its work: { "/token": 503 }. */
const faults = new Map();

// What the provider remembers. One store for all generations of keys.

const stored = new Map();
const grantable = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken']);

class Store {
  constructor(kind) {
    this.kind = kind;
  }

  key(id) {
    return `${this.kind}:${id}`;
  }

  async upsert(id, payload, expiresIn) {
    stored.set(this.key(id), { kind: this.kind, payload, until: Date.now() + (expiresIn ?? 86400) * 1000 });
  }

  async find(id) {
    const found = stored.get(this.key(id));
    return found && found.until > Date.now() ? found.payload : undefined;
  }

  async findByUid(uid) {
    return [...stored.values()].find((each) => each.kind === this.kind && each.payload.uid === uid)?.payload;
  }

  async findByUserCode() {
    return undefined;
  }

  async consume(id) {
    stored.get(this.key(id)).payload.consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    stored.delete(this.key(id));
  }

  async revokeByGrantId(grantId) {
    forget((each) => grantable.has(each.kind) && each.payload.grantId === grantId);
  }
}

function forget(isMeant) {
  let count = 0;
  for (const [key, each] of stored) {
    if (isMeant(each)) {
      stored.delete(key);
      count += 1;
    }
  }
  return count;
}

// Keys. The newest signs; older ones may stay published.

function newKeys() {
  const options = { privateKeyEncoding: { format: 'jwk' }, publicKeyEncoding: { format: 'jwk' } };
  const make = (type, more) => generateKeyPairSync(type, { ...more, ...options }).privateKey;
  return [
    { ...make('rsa', { modulusLength: 2048 }), kid: randomUUID(), use: 'sig' },
    { ...make('ec', { namedCurve: 'P-256' }), kid: randomUUID(), use: 'sig' },
  ];
}

// Calls to the clients: by name on loopback, and never but to a certificate of the authority's.

function call(url, { method = 'GET', headers, body, signal } = {}) {
  const { hostname, pathname, search } = new URL(url);
  return new Promise((resolve, reject) => {
    const request = https.request(
      {
        host: '127.0.0.1',
        port: settings.reach[hostname],
        servername: hostname,
        ca: authority,
        method,
        path: pathname + search,
        headers: { ...Object.fromEntries(new Headers(headers)), host: hostname },
        signal,
      },
      (response) => {
        const parts = [];
        response.on('data', (part) => parts.push(part));
        response.on('error', reject);
        response.on('end', () => resolve(new Response(parts.length ? Buffer.concat(parts) : null, {
          status: response.statusCode,
        })));
      },
    );
    request.on('error', reject);
    request.end(body === undefined ? undefined : String(body));
  });
}

// The provider.

const policy = interactionPolicy.base();
policy.add(new interactionPolicy.Prompt({ name: 'select_account', requestable: true }), 0);

function build(keys) {
  const provider = new Provider(settings.issuer, {
    adapter: Store,
    jwks: { keys },
    clients: structuredClone(settings.clients),
    clientDefaults: { require_auth_time: true },
    cookies: { keys: ['for tests only'] },
    scopes: ['openid', 'offline_access', 'email', 'profile', 'groups'],
    claims: {
      acr: null, auth_time: null, iss: null, sid: null,
      openid: ['sub', 'acr', 'amr'],
      email: ['email', 'email_verified'],
      profile: ['name', 'preferred_username'],
      groups: ['groups'],
    },
    acrValues: ['urn:doorward:test:mfa'],
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: { enabled: true, logoutSource: askForLogout },
      revocation: { enabled: true },
    },
    findAccount: (_context, name) => (settings.people[name] && {
      accountId: name,
      claims: () => ({ sub: name, ...settings.people[name] }),
    }),
    loadExistingGrant: grantEverything,
    issueRefreshToken: (_context, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    pkce: { required: () => true },
    interactions: { policy, url: (_context, interaction) => `/interaction/${interaction.uid}` },
    fetch: call,
    renderError: (context, out) => {
      context.type = 'text';
      context.body = `${out.error}: ${out.error_description}`;
    },
  });
  provider.on('backchannel.success', (_context, client) => deliveries.push({ client: client.clientId, status: 200 }));
  provider.on('backchannel.error', (_context, error, client) => {
    deliveries.push({ client: client.clientId, status: error.response?.status ?? 0, error: String(error) });
  });
  provider.on('server_error', (_context, error) => console.error(error));
  return provider;
}

async function grantEverything(context) {
  const { client, params, provider, session } = context.oidc;
  const known = session.grantIdFor(client.clientId);
  const grant = (known && await provider.Grant.find(known))
    ?? new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope(params.scope);
  await grant.save();
  return grant;
}

// Pages, as plain as pages can be.

const page = (title, body) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title>`
  + `<meta name="viewport" content="width=device-width"><h1>${title}</h1>${body}</html>`;

function askForLogout(context, form) {
  context.body = page('Sign out of the test provider?', `${form}`
    + '<button form="op.logoutForm" name="logout" value="yes">Sign out</button>'
    + '<button form="op.logoutForm">Stay</button>');
}

async function interact(request, response, provider) {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (request.method !== 'POST') {
    const body = prompt.name === 'consent'
      ? ''
      : '<label>Name <input name="name" autocomplete="username" autofocus></label>';
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.end(page('Test provider', `<p>For ${params.client_id}${session ? `, as ${session.accountId}` : ''}: `
      + `${prompt.name}</p><form method="post">${body}<button name="answer" value="go">Continue</button>`
      + '<button name="answer" value="cancel" formnovalidate>Cancel</button></form>'));
    return;
  }
  const answer = new URLSearchParams(await textOf(request));
  if (answer.get('answer') === 'cancel') {
    await provider.interactionFinished(request, response, {
      error: 'access_denied', error_description: 'the person pressed <b>Cancel</b>',
    });
    return;
  }
  if (prompt.name === 'consent') {
    await provider.interactionFinished(request, response, { consent: {} }, { mergeWithLastSubmission: true });
    return;
  }
  const person = settings.people[answer.get('name')];
  if (!person) {
    response.statusCode = 400;
    response.end('nobody of that name');
    return;
  }
  const login = { accountId: answer.get('name'), amr: person.amr, acr: person.acr };
  await provider.interactionFinished(request, response, { login, [prompt.name]: prompt.name === 'login' ? login : {} });
}

async function textOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}

// What tests can order.

let keys = newKeys();
let current = build(keys);

const sessionsOf = (name) => [...stored.values()].filter(
  (each) => each.kind === 'Session' && each.payload.accountId === name,
);

const orders = {
  /** New signing keys; `keep` leaves the old ones published. */
  rotate: async ({ keep = false }) => {
    keys = [...newKeys(), ...(keep ? keys : [])];
    current = build(keys);
    return { kids: keys.map((key) => key.kid) };
  },
  /** End somebody's sessions, as an administrator would, and tell the clients. */
  end: async ({ name }) => {
    const told = [];
    for (const { payload } of sessionsOf(name)) {
      for (const [clientId, { sid }] of Object.entries(payload.authorizations ?? {})) {
        const client = await current.Client.find(clientId);
        if (client.backchannelLogoutUri) {
          const [status, error] = await client.backchannelLogout(name, sid)
            .then(() => [200, ''], (failure) => [failure.response?.status ?? 0, String(failure)]);
          told.push({ client: clientId, status, error });
        }
      }
    }
    forget((each) => each.payload.accountId === name);
    return { told };
  },
  /** Forget somebody's sessions and grants without telling anybody. */
  revoke: async ({ name }) => ({ count: forget((each) => each.payload.accountId === name) }),
  /** Change what is known of somebody, or with null forget them. */
  person: async ({ name, claims }) => {
    if (claims === null) delete settings.people[name];
    else settings.people[name] = { ...settings.people[name], ...claims };
    return {};
  },
  /** Answer requests to a path with a status, until told 0. */
  fault: async ({ path, status }) => {
    if (status) faults.set(path, status);
    else faults.delete(path);
    return {};
  },
  /** Where hosts are that come up later. */
  reach: async (hosts) => {
    Object.assign(settings.reach, hosts);
    return {};
  },
  /** What was asked for and delivered since the last time. */
  journal: async () => ({ requests: journal.splice(0), deliveries: deliveries.splice(0) }),
};

async function obey(request, response) {
  const order = orders[request.url.slice(1)];
  try {
    const answer = await order(JSON.parse(await textOf(request) || '{}'));
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify(answer));
  } catch (error) {
    response.statusCode = 500;
    response.end(String(error?.stack));
  }
}

// The servers.

async function serve(request, response) {
  const { pathname, searchParams } = new URL(request.url, settings.issuer);
  const entry = { method: request.method, path: pathname, query: Object.fromEntries(searchParams) };
  const [scheme] = (request.headers.authorization ?? '').split(' ');
  journal.push({ ...entry, authorization: scheme });
  const fault = faults.get(pathname);
  if (fault) {
    response.statusCode = fault;
    response.end('out of order');
    return;
  }
  if (loginPath.test(pathname)) {
    await interact(request, response, current).catch((error) => {
      response.statusCode = 400;
      response.end(error.message);
    });
    return;
  }
  current.callback()(request, response);
}

const { hostname, port } = new URL(settings.issuer);
const tls = { key: readFileSync(settings.tls.key), cert: readFileSync(settings.tls.cert) };
https.createServer(tls, serve).listen(Number(port), hostname);
http.createServer(obey).listen(settings.control, '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
