<?php

declare(strict_types=1);

namespace App;

/**
 * What happened so far, bounded, for the page: counts, the last invoices and errors, and every interruption, which is
 * the time between two written invoices when it was long, or when something failed in it.
 */
final class History
{
    private const KEEP = 12;

    /** Two written invoices further apart than this, and the pause between writes, are an interruption. */
    private const LONG_SECONDS = 1.0;

    private array $facts;

    private int $failedSinceWritten = 0;

    public function __construct(private string $file, private float $pauseSeconds, array $about)
    {
        $this->facts = $about + [
            'startedAt' => microtime(true),
            'pauseSeconds' => $pauseSeconds,
            'written' => 0,
            'failed' => 0,
            'writtenBy' => [],
            'server' => null,
            'lastWrittenAt' => null,
            'invoices' => [],
            'errors' => [],
            'interruptions' => [],
        ];
        $this->save();
    }

    /** Adds one result line of the worker, of the moment `at` in seconds. */
    public function add(array $result, float $at): void
    {
        if ($result['ok']) {
            $this->addWritten($result, $at);
        } else {
            ++$this->facts['failed'];
            ++$this->failedSinceWritten;
            $this->addFailed($result);
        }
        $this->save();
    }

    /** The same words again are counted, so that a long outage does not push out what came before it. */
    private function addFailed(array $result): void
    {
        $last = $this->facts['errors'][0] ?? null;
        if ($last === null || $last['error'] !== $result['error']) {
            $this->keep('errors', $result + ['until' => $result['at'], 'times' => 1]);

            return;
        }
        $this->facts['errors'][0] = [
            'until' => $result['at'],
            'times' => $last['times'] + 1,
            'inTransaction' => $last['inTransaction'] && $result['inTransaction'],
        ] + $last;
    }

    private function addWritten(array $result, float $at): void
    {
        $server = $result['server'];
        $last = $this->facts['lastWrittenAt'];
        $gap = $last === null ? 0.0 : $at - $last;
        if ($last !== null && ($this->failedSinceWritten > 0 || $gap > self::LONG_SECONDS + $this->pauseSeconds)) {
            $this->keep('interruptions', [
                'from' => $last,
                'seconds' => $gap,
                'failed' => $this->failedSinceWritten,
                'before' => $this->facts['server'],
                'after' => $server,
            ]);
        }
        ++$this->facts['written'];
        $this->facts['writtenBy'][$server] = ($this->facts['writtenBy'][$server] ?? 0) + 1;
        $this->facts['server'] = $server;
        $this->facts['lastWrittenAt'] = $at;
        $this->failedSinceWritten = 0;
        $this->keep('invoices', $result);
    }

    private function keep(string $list, array $entry): void
    {
        array_unshift($this->facts[$list], $entry);
        $this->facts[$list] = array_slice($this->facts[$list], 0, self::KEEP);
    }

    /** The page reads while this writes: it must see the old file or the new one, never half of one. */
    private function save(): void
    {
        $next = "{$this->file}.next";
        file_put_contents($next, json_encode($this->facts, JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE));
        rename($next, $this->file);
    }
}
