# shellcheck shell=bash
# What the scripts say, on stderr beside PostgreSQL's and repmgrd's own lines. No levels to configure: they say little.

# say LEVEL WORDS...: one line, with the time in PostgreSQL's form so that the container's log can be read as one.
say() {
  local level=$1
  shift
  printf '%s %s [entrypoint] %s: %s\n' "$(date -u '+%Y-%m-%d %H:%M:%S.%3N UTC')" "${REPMGR_NODE_NAME:-?}" "$level" "$*" >&2
}

note() { say NOTE "$@"; }
warn() { say WARNING "$@"; }

# fail WORDS...: the end of whatever runs, with exit code 1 (failure at run time).
fail() {
  say ERROR "$@"
  exit 1
}

# Something that lasts says so once in a while, not on every turn: `every SECONDS` is true on the first call and then
# whenever that much time has passed.
declare -i last_said=-1
every() {
  if ((last_said >= 0 && SECONDS - last_said < $1)); then return 1; fi
  last_said=$SECONDS
}
