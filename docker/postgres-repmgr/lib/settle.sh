# shellcheck shell=bash
# Once PostgreSQL runs: registers the node with repmgr and lets a standby follow the primary of today. Ends when repmgrd may
# start. Acts on what the running server says of itself, not on what the start intended.

# What `settle` ends with when PostgreSQL must be stopped, rejoined and started again.
readonly exit_code_rejoin=75

local_row() { local_psql -At -F ' ' -d "$REPMGR_DATABASE" -c "$1" 2>/dev/null; }

wait_until_it_answers() {
  until local_row 'SELECT' >/dev/null; do sleep 0.1; done
}

repmgr_here() { repmgr -f "$repmgr_conf" "$@"; }

# find_primary SECONDS: the line of the registered primary. Gives up after that time; 0: never.
find_primary() {
  local deadline=$((SECONDS + $1)) primary
  until primary=$(primary_of "$(survey_peers)") && [[ $primary == *' t' ]]; do
    if (($1 > 0 && SECONDS >= deadline)); then return 1; fi
    if every 15; then note 'waits for a registered primary'; fi
    sleep 0.2
  done
  echo "$primary"
}

own_registration() {
  local_row "SELECT type, active, coalesce(upstream_node_id, 0), conninfo = '$(own_conninfo)'
    FROM repmgr.nodes WHERE node_id = $REPMGR_NODE_ID"
}

settle_primary() {
  local type same_conninfo rival
  read -r type _ _ same_conninfo <<<"$(own_registration)"
  if [[ -z $type ]]; then
    repmgr_here primary register || fail 'the registration as primary did not work'
  elif [[ $type != primary ]]; then
    warn "this server is a primary, repmgr has it as $type: somebody promoted it by hand (repmgr primary register --force)"
  elif [[ $same_conninfo != t ]]; then
    repmgr_here primary register --force || fail 'the registration as primary did not work'
  fi
  if rival=$(primary_of "$(survey_peers)"); then
    warn "${rival%% *} is a primary as well, on timeline $(cut -d' ' -f4 <<<"$rival"); this one is on $(own_timeline):" \
      "one of the two is stale. REPMGR_AUTO_REJOIN=yes lets a stale one rejoin when it starts"
  fi
}

# follow HOST PORT NODE-ID. Needed when this standby was down while the primary changed: it would ask a dead or a stale
# server for WAL.
follow_if_needed() {
  local host=$1 port=$2 node_id=$3 upstream
  upstream=$(local_row "SELECT (regexp_match(current_setting('primary_conninfo'), 'host=''?([^ '']+)'))[1]")
  [[ $upstream != "$host" ]] || return 0
  note "follows $host from now on (so far: ${upstream:-nobody})"
  local -a options=()
  if ((node_id > 0)); then options=(--upstream-node-id="$node_id"); fi
  if repmgr_here standby follow "${options[@]}"; then return; fi
  if [[ $REPMGR_AUTO_REJOIN == no ]]; then
    warn "cannot follow $host and stays with ${upstream:-nobody}: it may hold what $host never had." \
      'REPMGR_AUTO_REJOIN=yes lets it rejoin when it starts'
    return
  fi
  echo "$host $port" >"$rejoin_order"
  exit "$exit_code_rejoin"
}

settle_standby() {
  local patience=0 primary host port node_id
  # Known to the cluster: repmgrd can do without a primary for now, after a failover in progress for instance.
  [[ -z $(own_registration) ]] || patience=5
  primary=$(find_primary "$patience") || {
    warn 'no registered primary answers: goes on as it is'
    return 0
  }
  read -r host port _ _ _ node_id _ <<<"$primary"
  follow_if_needed "$host" "$port" "$node_id"
  [[ $(own_registration) == "standby t $node_id t" ]] ||
    repmgr_here standby register --force --wait-sync=60 || fail 'the registration as standby did not work'
}

settle_witness() {
  local patience=0 primary host port
  [[ -z $(own_registration) ]] || patience=5
  primary=$(find_primary "$patience") || {
    warn 'no registered primary answers: goes on as it is'
    return 0
  }
  read -r host port _ <<<"$primary"
  repmgr_here -h "$host" -p "$port" -U "$REPMGR_USERNAME" -d "$REPMGR_DATABASE" witness register --force ||
    fail 'the registration as witness did not work'
}

# settle: the only entry point of this file.
settle() {
  wait_until_it_answers
  if [[ $REPMGR_NODE_TYPE == witness ]]; then
    settle_witness
  elif [[ $(local_row 'SELECT pg_is_in_recovery()') == t ]]; then
    settle_standby
  else
    settle_primary
  fi
  note 'settled, starts repmgrd'
}
