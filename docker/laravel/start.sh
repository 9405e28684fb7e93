#!/usr/bin/env bash
# The container's first process: runs the page and the worker, and ends when either ends.
set -euo pipefail

# How long an invoice at hand may take after SIGTERM. A statement that waits in libpq sees no signal, and while the
# database is away it waits for longer than Docker does (10 s).
readonly GRACE_SECONDS=5

stopping=no
page=''
worker=''

# The worker is asked to finish, and ended when it cannot.
# shellcheck disable=SC2317 # called by trap
stop() {
  stopping=yes
  kill -TERM "$worker"
  { sleep "$GRACE_SECONDS" && kill -KILL "$worker"; } 2>/dev/null &
}

# Sets `ended` and `code` when the worker or the page has ended. A signal that is caught ends `wait` early, with neither
# gone.
wait_for_an_end() {
  ended=''
  until [ -n "${ended:-}" ]; do
    code=0
    wait -n -p ended "$worker" "$page" || code=$?
  done
}

cd "$(dirname "${BASH_SOURCE[0]}")"
php -q -S 0.0.0.0:8080 -t public &
page=$!
php worker.php &
worker=$!
trap stop TERM INT

wait_for_an_end
if [ "$stopping" = yes ]; then exit 0; fi
if [ "$ended" = "$page" ]; then
  echo 'The page has ended by itself.' >&2
  exit 1
fi
exit "$code"
