<?php
// Verify Doorward's signed assertion, with PHP's own openssl and sodium (8.1 or newer).
declare(strict_types=1);

final class RefusedAssertion extends RuntimeException {}

const ASSERTION_TYPE = 'doorward-assertion+jwt';
const ASSERTION_KINDS = ['EdDSA' => ['OKP', 'Ed25519'], 'ES256' => ['EC', 'P-256']];

function demand(bool $holds, string $why): void
{
    $holds || throw new RefusedAssertion($why);
}

function decode_part(mixed $part): string
{
    $raw = is_string($part) ? base64_decode(strtr($part, '-_', '+/'), true) : false;
    demand($raw !== false && rtrim(strtr(base64_encode($raw), '+/', '-_'), '=') === $part, 'a part is not base64url');
    return $raw;
}

function parse_part(string $part): array
{
    $value = json_decode(decode_part($part), false, 8);
    demand($value instanceof stdClass, 'that is no JSON object');
    return get_object_vars($value);
}

// Scheme, host, port and the segments of the path in one spelling; the query does not count.
function place_of(string $url): array
{
    $parts = parse_url($url);
    $whole = is_array($parts) && isset($parts['scheme'], $parts['host']) && !isset($parts['user']);
    demand($whole && !preg_match('/[\x00-\x20\x7f#]/', $url), 'no address');
    $scheme = strtolower($parts['scheme']);
    $segments = array_map('rawurldecode', explode('/', $parts['path'] ?? '/'));
    return [$scheme, strtolower($parts['host']), $parts['port'] ?? ($scheme === 'https' ? 443 : 80), $segments];
}

function verifies_signature(string $algorithm, array $key, string $signed, string $signature): bool
{
    $x = decode_part($key['x'] ?? null);
    if ($algorithm === 'EdDSA') {
        return strlen($x) === 32 && strlen($signature) === 64 && sodium_crypto_sign_verify_detached($signature, $signed, $x);
    }
    $y = decode_part($key['y'] ?? null);
    if (strlen($x) !== 32 || strlen($y) !== 32 || strlen($signature) !== 64) {
        return false;
    }
    // openssl wants the key as SubjectPublicKeyInfo, and the two numbers of the signature as DER.
    $der = hex2bin('3059301306072a8648ce3d020106082a8648ce3d030107034200') . "\x04" . $x . $y;
    $pem = "-----BEGIN PUBLIC KEY-----\n" . chunk_split(base64_encode($der), 64, "\n") . "-----END PUBLIC KEY-----\n";
    $numbers = '';
    foreach (str_split($signature, 32) as $number) {
        $number = ltrim($number, "\0");
        $number = $number === '' || ord($number[0]) > 0x7f ? "\0" . $number : $number;
        $numbers .= "\x02" . chr(strlen($number)) . $number;
    }
    $public = openssl_pkey_get_public($pem);
    return $public !== false
        && openssl_verify($signed, "\x30" . chr(strlen($numbers)) . $numbers, $public, OPENSSL_ALGO_SHA256) === 1;
}

// The keys of the gateway, kept in a file that only the app may write: fetched when one is missing, at most every ten
// seconds, and again after five minutes.
function gateway_keys(string $address, string $file): callable
{
    return function (string $kid, int $now) use ($address, $file): ?array {
        $kept = is_file($file) ? json_decode((string) file_get_contents($file), true) : null;
        $kept = is_array($kept) ? $kept : ['keys' => [], 'fetched' => 0, 'tried' => 0];
        if ((!isset($kept['keys'][$kid]) || $now - $kept['fetched'] > 300) && $now - $kept['tried'] >= 10) {
            $kept['tried'] = $now;
            $options = ['http' => ['timeout' => 5, 'follow_location' => 0]];
            $set = json_decode((string) @file_get_contents($address, false, stream_context_create($options)), true);
            if (is_array($set['keys'] ?? null)) {
                $kept = ['keys' => array_column($set['keys'], null, 'kid'), 'fetched' => $now] + $kept;
            }
            $new = tempnam(dirname($file), 'keys');
            file_put_contents($new, json_encode($kept));
            rename($new, $file);
        }
        return $now - $kept['fetched'] < 86400 ? $kept['keys'][$kid] ?? null : null;
    };
}

// The claims; throws RefusedAssertion where anything does not hold. `url`: the address as the visitor knows it.
function verify_assertion(
    mixed $token, string $method, string $url,
    string $issuer, string $audience, callable $find_key,
    string $algorithm = 'EdDSA', int $leeway = 5, ?int $now = null,
): array {
    $now ??= time();
    $parts = is_string($token) && strlen($token) <= 16384 ? explode('.', $token) : [];
    demand(count($parts) === 3, 'it is not a signed token of three parts');
    $header = parse_part($parts[0]);
    ksort($header);
    demand(array_keys($header) === ['alg', 'kid', 'typ'], 'its header has not exactly alg, kid and typ');
    demand($header['alg'] === $algorithm && $header['typ'] === ASSERTION_TYPE, 'it is of another kind');
    $key = is_string($header['kid']) ? $find_key($header['kid'], $now) : null;
    $kind = $key === null ? null : [$key['kty'] ?? null, $key['crv'] ?? null];
    demand($kind === ASSERTION_KINDS[$algorithm] && ($key['alg'] ?? null) === $algorithm, 'its key is not published');
    $genuine = verifies_signature($algorithm, $key, "$parts[0].$parts[1]", decode_part($parts[2]));
    demand($genuine, 'its signature is not good');
    $claims = parse_part($parts[1]) + array_fill_keys(['iss', 'aud', 'sub', 'htm', 'htu', 'iat', 'exp'], null);
    demand([$claims['iss'], $claims['aud'], $claims['htm']] === [$issuer, $audience, $method], 'it is for somebody else');
    demand(is_int($claims['iat']) && is_int($claims['exp']), 'it does not say when it is good');
    demand($claims['exp'] > $claims['iat'] && $claims['exp'] - $claims['iat'] <= 60, 'it is good for too long');
    demand($now < $claims['exp'] + $leeway && $claims['iat'] <= $now + $leeway, 'it has expired, or the clocks differ');
    demand(is_string($claims['sub']) && $claims['sub'] !== '', 'it does not say who asks');
    demand(is_string($claims['htu']) && place_of($claims['htu']) === place_of($url), 'it is for another address');
    return $claims;
}
