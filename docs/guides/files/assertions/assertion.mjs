// Verify Doorward's signed assertion, with nothing but Node's own modules (20 or newer).
import { createPublicKey, verify } from 'node:crypto';

const TYPE = 'doorward-assertion+jwt';
const KINDS = { EdDSA: ['OKP', 'Ed25519', null], ES256: ['EC', 'P-256', 'sha256'] };
const PART = /^[A-Za-z0-9_-]+$/;

export class Refused extends Error {}

function demand(holds, why) {
  if (!holds) throw new Refused(why);
}

function decode(part) {
  const raw = Buffer.from(part, 'base64url');
  demand(PART.test(part) && raw.toString('base64url') === part, 'a part is not base64url');
  return raw;
}

function parse(part) {
  let value = null;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(decode(part)));
  } catch {
    // Refused below.
  }
  demand(value !== null && typeof value === 'object' && !Array.isArray(value), 'that is no JSON object');
  return value;
}

// Scheme, host, port and path in one spelling; the query does not count. Unlike `new URL`, it resolves no dots.
function place(url) {
  demand(!/[\x00-\x20\x7f#]/.test(url) && URL.canParse(url), 'no address');
  const { protocol, host } = new URL(url);
  const path = /^[a-z]+:\/\/[^/?#]+([^?#]*)/i.exec(url)?.[1] || '/';
  // Byte by byte: not every path is UTF-8.
  const bytes = (part) => part.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  return JSON.stringify([protocol, host, ...path.split('/').map(bytes)]);
}

// The keys of the gateway: fetched when one is missing, at most every ten seconds, and again after five minutes.
export function gatewayKeys(address) {
  let keys = new Map(), fetchedAt = 0, triedAt = 0, turn;
  const look = async (now) => {
    try {
      const answer = await fetch(address, { redirect: 'error', signal: AbortSignal.timeout(5000) });
      const set = answer.ok ? await answer.json() : null;
      if (Array.isArray(set?.keys)) [keys, fetchedAt] = [new Map(set.keys.map((key) => [key.kid, key])), now];
    } catch {
      // Those that are there count on, for a day.
    }
  };
  return async (kid, now) => {
    if (!keys.has(kid) || now - fetchedAt > 300) {
      if (now - triedAt >= 10) [triedAt, turn] = [now, look(now)];
      await turn;
    }
    return now - fetchedAt < 86400 ? keys.get(kid) : undefined;
  };
}

// `expected`: { issuer, audience, findKey, algorithm: 'EdDSA' or 'ES256', leeway }. `url`: the address as the visitor
// knows it. Returns the claims; throws Refused where anything does not hold.
export async function verifyAssertion(token, method, url, expected, now = Math.floor(Date.now() / 1000)) {
  const { issuer, audience, findKey, algorithm = 'EdDSA', leeway = 5 } = expected;
  const parts = typeof token === 'string' && token.length <= 16384 ? token.split('.') : [];
  demand(parts.length === 3, 'it is not a signed token of three parts');
  const header = parse(parts[0]);
  demand(Object.keys(header).sort().join() === 'alg,kid,typ', 'its header has not exactly alg, kid and typ');
  demand(header.alg === algorithm && header.typ === TYPE && typeof header.kid === 'string', 'it is of another kind');
  const key = await findKey(header.kid, now);
  const [kty, crv, hash] = KINDS[algorithm];
  demand(key && key.kty === kty && key.crv === crv && key.alg === algorithm, 'its key is not published');
  const publicKey = createPublicKey({ key: { kty, crv, x: key.x, y: key.y }, format: 'jwk' });
  const signed = Buffer.from(`${parts[0]}.${parts[1]}`);
  const genuine = verify(hash, signed, { key: publicKey, dsaEncoding: 'ieee-p1363' }, decode(parts[2]));
  demand(genuine, 'its signature is not good');
  const claims = parse(parts[1]);
  demand(claims.iss === issuer && claims.aud === audience && claims.htm === method, 'it is for somebody else');
  demand(Number.isInteger(claims.iat) && Number.isInteger(claims.exp), 'it does not say when it is good');
  demand(claims.exp > claims.iat && claims.exp - claims.iat <= 60, 'it is good for too long');
  demand(now < claims.exp + leeway && claims.iat <= now + leeway, 'it has expired, or the clocks differ');
  demand(typeof claims.sub === 'string' && claims.sub !== '', 'it does not say who asks');
  demand(typeof claims.htu === 'string' && place(claims.htu) === place(url), 'it is for another address');
  return claims;
}
