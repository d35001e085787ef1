<?php
// Reads cases from standard input, and says of each what the guide's code makes of it.
declare(strict_types=1);
set_error_handler(fn (int $level, string $text) => error_reporting() & $level ? throw new ErrorException($text) : true);
require $argv[1];

$given = json_decode(stream_get_contents(STDIN), true);
$shared = isset($given['address']) ? gateway_keys($given['address'], sys_get_temp_dir() . '/keys-' . getmypid() . '.json') : null;
$said = [];
foreach ($given['cases'] as $case) {
    $find = $shared ?? fn (string $kid, int $now): ?array => array_column(json_decode($case['keys'], true)['keys'], null, 'kid')[$kid] ?? null;
    try {
        $said[] = verify_assertion($case['token'], $case['method'], $case['url'], $case['issuer'], $case['audience'], $find, $case['algorithm'], 5, $case['now']);
    } catch (RefusedAssertion $error) {
        $said[] = $error->getMessage();
    }
}
@unlink(sys_get_temp_dir() . '/keys-' . getmypid() . '.json');
echo json_encode($said);
