<?php

// The page: what the worker got, from the file that it keeps. It asks no database, so it answers while there is none.
// `/` is the page, `/part` its inner part for the refresh, `/history` the facts as JSON, `/up` the health check.

declare(strict_types=1);

require __DIR__ . '/../app/page.php';

$file = getenv('HISTORY_FILE') ?: sys_get_temp_dir() . '/invoices-history.json';
$history = json_decode((string) @file_get_contents($file), true);
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);

if ($history === null) {
    http_response_code(503);
    header('Content-Type: text/plain');
    exit("The worker has not begun.\n");
}

switch ($path) {
    case '/':
        header('Content-Type: text/html; charset=utf-8');
        echo renderPage($history, microtime(true));
        break;
    case '/part':
        header('Content-Type: text/html; charset=utf-8');
        echo renderPart($history, microtime(true));
        break;
    case '/history':
        header('Content-Type: application/json');
        echo json_encode($history, JSON_PRETTY_PRINT), "\n";
        break;
    case '/up':
        http_response_code($history['written'] > 0 ? 200 : 503);
        header('Content-Type: text/plain');
        echo $history['written'] > 0 ? "up\n" : "no invoice yet\n";
        break;
    default:
        http_response_code(404);
        header('Content-Type: text/plain');
        echo "Not here.\n";
}
