// Reads cases from standard input, and says of each what the guide's code makes of it.
import { readFileSync } from 'node:fs';
const { Refused, gatewayKeys, verifyAssertion } = await import(process.argv[2]);

const { address, cases } = JSON.parse(readFileSync(0, 'utf-8'));
const shared = address && gatewayKeys(address);
// All at once, as requests come.
const said = cases.map(async ({ token, method, url, issuer, audience, algorithm, keys, now }) => {
  const found = shared ?? (async (kid) => JSON.parse(keys).keys.find((key) => key.kid === kid));
  try {
    return await verifyAssertion(token, method, url, { issuer, audience, algorithm, findKey: found }, now);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return error.message;
  }
});
console.log(JSON.stringify(await Promise.all(said)));
