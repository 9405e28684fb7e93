<?php

// A queue worker as Laravel runs them: one process, one long-lived connection, one invoice after the other. Each result
// is one line of JSON on standard output. SIGTERM ends it after the invoice at hand, with exit code 0.
//
//   {"at":"…","ok":true,"invoice":"…","inTransaction":false,"ms":3.1,"server":"pg-1"}
//   {"at":"…","ok":false,"invoice":"…","inTransaction":true,"ms":1.2,"sqlstate":"25006","error":"…"}

declare(strict_types=1);

require __DIR__ . '/bootstrap.php';

use App\History;
use App\InvoiceWriter;

/** A whole number from the environment, at least `$min`. Anything else ends the program with exit code 2. */
function numberFromEnv(string $name, int $default, int $min): int
{
    $text = getenv($name);
    $number = $text === false || $text === '' ? $default : filter_var($text, FILTER_VALIDATE_INT);
    if ($number === false || $number < $min) {
        fwrite(STDERR, "{$name}: '{$text}' is not a whole number of at least {$min}\n");
        exit(2);
    }

    return $number;
}

/** The five characters of an exception's SQLSTATE, or null. PDO has them in the code, or only in the words. */
function sqlStateOf(Throwable $error): ?string
{
    if (preg_match('/SQLSTATE\[(\w{5})\]/', $error->getMessage(), $match) === 1) {
        return $match[1];
    }

    return is_string($error->getCode()) && strlen($error->getCode()) === 5 ? $error->getCode() : null;
}

/** What the driver said, in one line, without the SQL that Laravel appends. */
function messageOf(Throwable $error): string
{
    return trim(preg_replace('/\s+/', ' ', ($error->getPrevious() ?? $error)->getMessage()));
}

/** A moment in UTC with milliseconds. */
function isoTime(float $seconds): string
{
    return DateTimeImmutable::createFromFormat('U.u', sprintf('%.6F', $seconds))->format('Y-m-d\TH:i:s.v\Z');
}

$pauseMs = numberFromEnv('WRITE_INTERVAL_MS', 250, 0);
$transactionEvery = numberFromEnv('TRANSACTION_EVERY', 5, 0);
$name = getenv('APP_NAME') ?: 'laravel';

$stopping = false;
$stop = function () use (&$stopping): void {
    $stopping = true;
};
pcntl_async_signals(true);
pcntl_signal(SIGTERM, $stop);
pcntl_signal(SIGINT, $stop);

bootDatabase();
$writer = new InvoiceWriter();
$history = new History(historyFile(), $pauseMs / 1000, [
    'name' => $name,
    'host' => getenv('DB_HOST') . ':' . (getenv('DB_PORT') ?: '5432'),
]);
// Numbers of one run never meet those of another: a worker that was started again goes on with its own.
$series = $name . '-' . gmdate('Ymd\THis') . '-' . bin2hex(random_bytes(2));

for ($count = 1; !$stopping; ++$count) {
    $number = sprintf('%s-%06d', $series, $count);
    $inTransaction = $transactionEvery > 0 && $count % $transactionEvery === 0;
    $startedAt = hrtime(true);
    try {
        $server = $inTransaction ? $writer->writeWithLines($number) : $writer->writeAlone($number);
        $outcome = ['server' => $server];
    } catch (Throwable $error) {
        $outcome = ['sqlstate' => sqlStateOf($error), 'error' => messageOf($error)];
    }
    $at = microtime(true);
    $result = [
        'at' => isoTime($at),
        'ok' => isset($outcome['server']),
        'invoice' => $number,
        'inTransaction' => $inTransaction,
        'ms' => round((hrtime(true) - $startedAt) / 1e6, 1),
    ] + $outcome;
    // Standard output is not buffered here: the line is out before the next invoice is begun.
    $flags = JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE | JSON_UNESCAPED_SLASHES;
    fwrite(STDOUT, json_encode($result, $flags) . "\n");
    $history->add($result, $at);
    if (!$stopping) {
        usleep($pauseMs * 1000);
    }
}
