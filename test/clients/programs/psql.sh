#!/bin/sh
# psql as people and scripts use it, step by step; see ../steps.ts for what each step prints.
# PSQL names the program: Debian's wrapper of that name would look for a cluster of its own.
set -eu

psql=${PSQL:-psql}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 143' TERM

say() { printf '{"step":"%s","value":%s}\n' "$1" "$2"; }

# Tuples only, fields apart by commas, no ~/.psqlrc.
run() { "$psql" -XAtq -F, "$@"; }

digest() { printf '{"bytes":%d,"md5":"%s"}' "$(wc -c <"$1")" "$(md5sum <"$1" | cut -d' ' -f1)"; }

# A JSON text of what comes in: quotes and backslashes escaped, lines joined.
json_text() { sed 's/\\/\\\\/g; s/"/\\"/g' | awk '{ printf "%s%s", (NR > 1 ? "\\n" : ""), $0 } BEGIN { printf "\"" } END { printf "\"" }'; }

error_in_transaction() {
  run >"$folder/error" 2>"$folder/message" <<'SQL'
BEGIN;
SELECT 1/0;
\echo :SQLSTATE
SELECT 1;
\echo :SQLSTATE
ROLLBACK;
SELECT 1;
SQL
  { read -r first; read -r second; read -r after; } <"$folder/error"
  printf '{"codes":["%s","%s"],"message":%s,"after":%s}' "$first" "$second" "$(json_text <"$folder/message")" "$after"
}

copy() {
  awk 'BEGIN { for (id = 1; id <= 1000; id++) printf "%d\trow %d\n", id, id }' >"$folder/rows"
  run >"$folder/counted" <<SQL
CREATE TEMP TABLE copied (id int, name text);
\\copy copied from '$folder/rows'
SELECT '{"rows":' || count(*) || ',"sum":' || sum(id) || '}' FROM copied;
\\copy (SELECT * FROM copied ORDER BY id) to '$folder/out'
SQL
  say copyIn "$(cat "$folder/counted")"
  say copyOut "$(digest "$folder/out")"
}

large_object() {
  head -c 100000 "$folder/big" >"$folder/object"
  run >/dev/null <<SQL
\\lo_import '$folder/object'
\\lo_export :LASTOID '$folder/exported'
\\lo_unlink :LASTOID
SQL
  digest "$folder/exported"
}

# psql prints what it has heard after a statement.
notify() {
  heard=$(run -c 'LISTEN news' -c "NOTIFY news, 'paper'")
  printf '%s' "$heard" |
    sed 's/Asynchronous notification "\(.*\)" with payload "\(.*\)" received.*/{"channel":"\1","payload":"\2"}/'
}

# Ctrl-C, which psql makes a CancelRequest of.
cancel() {
  # Not by `run`: the signal would go to a subshell.
  PGAPPNAME=sleeper "$psql" -X -v VERBOSITY=verbose -c 'SELECT pg_sleep(60)' 2>"$folder/cancelled" &
  sleeper=$!
  sleeping="SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sleeper' AND wait_event = 'PgSleep'"
  while [ "$(run -c "$sleeping")" = 0 ]; do sleep 0.05; done
  kill -INT "$sleeper"
  wait "$sleeper" || true
  code=$(sed -n 's/^ERROR:  \([0-9A-Z]*\):.*/\1/p' "$folder/cancelled")
  # The line of PostgreSQL's source is the same at both ends; it is of no use here.
  printf '{"code":"%s","message":%s}' "$code" "$(grep '^ERROR' "$folder/cancelled" | json_text)"
}

big() {
  run -o "$folder/echo" <<SQL
\\set big \`cat "$folder/big"\`
SELECT :'big'::text;
SQL
  # Without the end of the line.
  head -c 1048576 "$folder/echo" >"$folder/value"
  digest "$folder/value"
}

steps() {
  awk 'BEGIN { for (n = 0; n < 65536; n++) printf "0123456789abcdef" }' >"$folder/big"
  say client "\"$("$psql" --version | cut -d' ' -f1,3)\""
  say connect "$(run -c "SELECT json_build_object('user', current_user, 'database', current_database(), 'tls', ssl)
    FROM pg_stat_ssl WHERE pid = pg_backend_pid()")"
  # Not by -c, where variables are not replaced.
  say version "\"$(printf '%s\n' '\echo :SERVER_VERSION_NAME' | run)\""
  # shellcheck disable=SC2016 # The dollars are PostgreSQL's.
  add='PREPARE adding AS SELECT $1::int + $2::int'
  say prepared "[$(run -c "$add" -c 'EXECUTE adding (1, 2)' -c 'EXECUTE adding (3, 4)' | paste -sd,)]"
  say error "$(error_in_transaction)"
  copy
  say largeObject "$(large_object)"
  say notify "$(notify)"
  say cancel "$(cancel)"
  say big "$(big)"
}

standby() {
  run -v VERBOSITY=verbose >"$folder/standby" 2>"$folder/refused" <<'SQL'
SELECT pg_is_in_recovery()::text;
CREATE TABLE no_place_for_it ();
\echo :SQLSTATE
SQL
  { read -r recovering; read -r code; } <"$folder/standby"
  say standby "{\"recovering\":$recovering,\"code\":\"$code\",\"message\":$(grep '^ERROR' "$folder/refused" | json_text)}"
}

# At a terminal, as a person has it: only there psql connects again by itself. What it says is turned to JSON line by line.
write() {
  number=0
  while :; do
    number=$((number + 1))
    echo "INSERT INTO invoices (number, customer, amount_cents) VALUES ('$1-$number', 'client', 100)" \
      "RETURNING json_build_object('written', number, 'port', inet_server_port());"
    sleep 0.1
  done | script -qfec "$psql -XAtq -P pager=off -v PROMPT1= -v PROMPT2= --no-readline" /dev/null | tell
}

tell() {
  tr -d '\r' | while IFS= read -r line; do
    case $line in
      '{"written"'*) printf '%s\n' "$line" ;;
      *FATAL:* | *ERROR:* | *closed*unexpectedly* | *'SSL '*error* | *'connection to server'*'failed'*)
        printf '{"error":{"code":null,"kind":"psql","text":%s}}\n' "$(printf '%s' "$line" | json_text)" ;;
    esac
  done
}

"$@"
