<?php
// PHP's PDO as applications use it, step by step; see ../steps.ts for what each step prints.
declare(strict_types=1);

const PACE_US = 50_000;
$big = str_repeat('0123456789abcdef', 65536);

function say(string $step, mixed $value): void
{
    echo json_encode(['step' => $step, 'value' => $value], JSON_UNESCAPED_SLASHES), "\n";
}

function open(): PDO
{
    [$host, $port, $database, $mode] = array_map('getenv', ['PGHOST', 'PGPORT', 'PGDATABASE', 'PGSSLMODE']);
    $dsn = "pgsql:host=$host;port=$port;dbname=$database;sslmode=$mode";
    return new PDO($dsn, getenv('PGUSER'), getenv('PGPASSWORD'), [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
}

function digest(string $data): array
{
    return ['bytes' => strlen($data), 'md5' => md5($data)];
}

function failure(PDO $connection, string $sql): PDOException
{
    try {
        $connection->query($sql);
    } catch (PDOException $error) {
        return $error;
    }
    throw new Exception("$sql did not fail");
}

function errorInTransaction(PDO $connection): array
{
    $connection->beginTransaction();
    $first = failure($connection, 'SELECT 1/0');
    $second = failure($connection, 'SELECT 1');
    $connection->rollBack();
    $after = $connection->query('SELECT 1')->fetchColumn();
    return ['codes' => [$first->getCode(), $second->getCode()], 'message' => $first->getMessage(), 'after' => $after];
}

function copyBothWays(PDO $connection): void
{
    $connection->exec('CREATE TEMP TABLE copied (id int, name text)');
    $connection->pgsqlCopyFromArray('copied', array_map(fn (int $id) => "$id\trow $id", range(1, 1000)));
    $counted = $connection->query('SELECT count(*)::int, sum(id)::int FROM copied')->fetch(PDO::FETCH_NUM);
    say('copyIn', ['rows' => $counted[0], 'sum' => $counted[1]]);
    say('copyOut', digest(implode('', $connection->pgsqlCopyToArray('copied'))));
}

function largeObject(PDO $connection, string $data): array
{
    $connection->beginTransaction();
    $oid = $connection->pgsqlLOBCreate();
    $stream = $connection->pgsqlLOBOpen($oid, 'w');
    fwrite($stream, $data);
    fclose($stream);
    $read = stream_get_contents($connection->pgsqlLOBOpen($oid, 'r'));
    $connection->pgsqlLOBUnlink($oid);
    $connection->commit();
    return digest($read);
}

function notify(PDO $connection): array
{
    $connection->exec('LISTEN news');
    open()->exec("NOTIFY news, 'paper'");
    $heard = $connection->pgsqlGetNotify(PDO::FETCH_ASSOC, 20_000);
    $connection->exec('UNLISTEN news');
    return ['channel' => $heard['message'], 'payload' => $heard['payload']];
}

function steps(string $big): void
{
    $connection = open();
    $libpq = $connection->getAttribute(PDO::ATTR_CLIENT_VERSION);
    say('client', 'PHP ' . PHP_VERSION . " PDO, libpq $libpq");
    $sql = 'SELECT current_user, current_database(), ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()';
    [$user, $database, $tls] = $connection->query($sql)->fetch(PDO::FETCH_NUM);
    say('connect', ['user' => $user, 'database' => $database, 'tls' => $tls]);
    say('version', $connection->getAttribute(PDO::ATTR_SERVER_VERSION));
    $adding = $connection->prepare('SELECT ?::int + ?::int');
    $sums = [];
    foreach ([[1, 2], [3, 4]] as $pair) {
        $adding->execute($pair);
        $sums[] = $adding->fetchColumn();
    }
    say('prepared', $sums);
    say('error', errorInTransaction($connection));
    copyBothWays($connection);
    say('largeObject', largeObject($connection, substr($big, 0, 100_000)));
    say('notify', notify($connection));
    $echo = $connection->prepare('SELECT ?::text');
    $echo->execute([$big]);
    say('big', digest($echo->fetchColumn()));
}

function standby(): void
{
    $connection = open();
    $recovering = $connection->query('SELECT pg_is_in_recovery()')->fetchColumn();
    $error = failure($connection, 'CREATE TABLE no_place_for_it ()');
    say('standby', ['recovering' => $recovering, 'code' => $error->getCode(), 'message' => $error->getMessage()]);
}

// PDO never connects again by itself; frameworks throw the object away and make another, and so does this.
function write(string $prefix): never
{
    $connection = null;
    for ($number = 1; ; $number++) {
        try {
            $connection ??= open();
            $insert = $connection->prepare(
                "INSERT INTO invoices (number, customer, amount_cents) VALUES (?, 'client', 100) RETURNING inet_server_port()",
            );
            $insert->execute(["$prefix-$number"]);
            $line = ['written' => "$prefix-$number", 'port' => $insert->fetchColumn()];
        } catch (PDOException $error) {
            $connection = null;
            $said = ['code' => (string) $error->getCode(), 'kind' => 'PDOException', 'text' => $error->getMessage()];
            $line = ['error' => $said];
        }
        echo json_encode($line, JSON_UNESCAPED_SLASHES), "\n";
        usleep(PACE_US);
    }
}

match ($argv[1]) {
    'steps' => steps($big),
    'standby' => standby(),
    'write' => write($argv[2]),
};
