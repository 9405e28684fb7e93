<?php

// The page's HTML, from the worker's history. No database, no request to anywhere but this server.

declare(strict_types=1);

function html(?string $text): string
{
    return htmlspecialchars((string) $text, ENT_QUOTES | ENT_SUBSTITUTE);
}

/** Seconds for people: 0.3 s, 12.4 s, 3 min 20 s. */
function inWords(float $seconds): string
{
    if ($seconds < 60) {
        return sprintf('%.1f s', max(0.0, $seconds));
    }

    return sprintf('%d min %d s', intdiv((int) $seconds, 60), (int) $seconds % 60);
}

/** The time of day of a moment in seconds or of an ISO time, UTC. */
function timeOfDay(float|string $moment): string
{
    return is_string($moment) ? substr($moment, 11, 8) : gmdate('H:i:s', (int) $moment);
}

/** A cell's long text, which may be broken anywhere, with a remark behind it. */
function words(string $text, string $remark): string
{
    return '<div class=words>' . html($text) . ($remark === '' ? '' : " <i>{$remark}</i>") . '</div>';
}

/** A table, or the sentence that stands in its place. Cells are HTML already. */
function table(string $title, array $heads, array $rows, string $none): string
{
    if ($rows === []) {
        return "<section><h2>{$title}</h2><p class=none>{$none}</p></section>";
    }
    $row = fn (string $tag, array $cells): string =>
        "<tr><{$tag}>" . implode("</{$tag}><{$tag}>", $cells) . "</{$tag}></tr>";
    $body = implode('', array_map(fn (array $cells): string => $row('td', $cells), $rows));

    return "<section><h2>{$title}</h2><div class=wide><table>{$row('th', $heads)}{$body}</table></div></section>";
}

/** The head line: which server has the last invoice, or for how long there is none. */
function headline(array $history, float $now): string
{
    if ($history['lastWrittenAt'] === null) {
        return '<p class="state waits">no invoice yet</p>';
    }
    $since = $now - $history['lastWrittenAt'];
    $isLate = $since > 1 + $history['pauseSeconds'];
    $last = $history['invoices'][0];
    $text = $isLate ? 'no invoice for ' . inWords($since) : 'written on ' . html($history['server']);
    $detail = $isLate
        ? 'the last one was written on ' . html($history['server'])
        : 'in ' . html((string) $last['ms']) . ' ms';

    return '<p class="state ' . ($isLate ? 'waits' : 'runs') . "\">{$text}<small>{$detail}</small></p>";
}

/** The part of the page that changes. */
function renderPart(array $history, float $now): string
{
    $longest = array_column($history['interruptions'], 'seconds');
    $figures = [
        'written' => number_format($history['written']),
        'failed' => number_format($history['failed']),
        'longest wait' => $longest === [] ? '–' : inWords(max($longest)),
        'running for' => inWords($now - $history['startedAt']),
    ];
    $tiles = '';
    foreach ($figures as $label => $figure) {
        $class = $label === 'failed' && $history['failed'] > 0 ? ' class=bad' : '';
        $tiles .= "<div{$class}><b>{$figure}</b>{$label}</div>";
    }
    $by = $history['writtenBy'];
    ksort($by);

    return headline($history, $now)
        . "<div class=tiles>{$tiles}</div>"
        . table('Interruptions', ['from', 'for', 'failed', 'server'], array_map(fn (array $gap): array => [
            timeOfDay($gap['from']),
            inWords($gap['seconds']),
            (string) $gap['failed'],
            html($gap['before'] === $gap['after'] ? $gap['after'] : "{$gap['before']} → {$gap['after']}"),
        ], $history['interruptions']), 'none')
        . table('Errors', ['last at', 'times', 'code', 'error'], array_map(fn (array $error): array => [
            timeOfDay($error['until']),
            number_format($error['times']),
            html($error['sqlstate'] ?? '–'),
            words($error['error'], $error['inTransaction'] ? 'in a transaction' : ''),
        ], $history['errors']), 'none')
        . table('By server', ['server', 'invoices'], array_map(
            fn (string $server, int $count): array => [html($server), number_format($count)],
            array_keys($by),
            $by,
        ), 'none yet')
        . table('Last invoices', ['at', 'number', 'server', 'ms'], array_map(fn (array $invoice): array => [
            timeOfDay($invoice['at']),
            words($invoice['invoice'], $invoice['inTransaction'] ? 'with lines' : ''),
            html($invoice['server']),
            html((string) $invoice['ms']),
        ], $history['invoices']), 'none yet');
}

/** The whole page. Without JavaScript it loads itself again every two seconds. */
function renderPage(array $history, float $now): string
{
    $name = html($history['name']);
    $host = html($history['host']);
    $part = renderPart($history, $now);
    $style = file_get_contents(__DIR__ . '/page.css');

    return <<<HTML
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>{$name}: invoices through {$host}</title>
        <link rel="icon" href="data:,">
        <noscript><meta http-equiv="refresh" content="2"></noscript>
        <style>{$style}</style>
        </head>
        <body>
        <header><h1>{$name}</h1><p>invoices through <b>{$host}</b>, times in UTC</p></header>
        <main id="part">{$part}</main>
        <script>
        const part = document.getElementById('part')
        async function refresh() {
          try {
            const answer = await fetch('/part')
            if (answer.ok) part.innerHTML = await answer.text()
            part.classList.toggle('old', !answer.ok)
          } catch {
            part.classList.add('old')
          }
          setTimeout(refresh, 500)
        }
        setTimeout(refresh, 500)
        </script>
        </body>
        </html>

        HTML;
}
