# shellcheck shell=bash
# Asks the other nodes who is primary. Never trusts "it answers": a primary is a server that is not in recovery and not a
# witness, and of several the one on the highest timeline.

# role, timeline, system identifier, node id (0: unknown), registered as primary by its own rows
readonly peer_question="
SELECT CASE WHEN in_recovery THEN 'standby' WHEN me.type = 'witness' THEN 'witness' ELSE 'primary' END,
       CASE WHEN in_recovery THEN 0
            ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END,
       (SELECT system_identifier FROM pg_control_system()),
       coalesce(me.node_id, 0),
       coalesce(me.type = 'primary' AND me.active, false)
FROM (SELECT pg_is_in_recovery() AS in_recovery OFFSET 0) AS state
LEFT JOIN repmgr.nodes AS me ON me.node_name = current_setting('cluster_name')"

# Partners and the designated primary, without this node: one `host port` a line.
peers() {
  local entry
  for entry in ${REPMGR_PARTNER_NODES//[,;]/ } "$REPMGR_PRIMARY_HOST:$REPMGR_PRIMARY_PORT"; do
    entry=${entry#*://}
    [[ $entry == *:* ]] || entry+=":$REPMGR_PRIMARY_PORT"
    [[ $entry == "$REPMGR_NODE_NETWORK_NAME:$REPMGR_PORT_NUMBER" || $entry == "$REPMGR_NODE_NAME:$REPMGR_PORT_NUMBER" ]] ||
      echo "${entry%:*} ${entry##*:}"
  done | sort -u
}

is_designated_primary() {
  [[ $REPMGR_PRIMARY_HOST == "$REPMGR_NODE_NETWORK_NAME" || $REPMGR_PRIMARY_HOST == "$REPMGR_NODE_NAME" ]]
}

# sql CONNINFO STATEMENT: rows with fields separated by one blank.
sql() { psql -XAtq -F ' ' -v ON_ERROR_STOP=1 -d "$1" -c "$2"; }

# survey_peers: `host port role timeline sysid node-id registered` of every peer that answers. All are asked at the same
# time, so that a silent one costs its connect timeout once.
survey_peers() {
  local host port
  while read -r host port; do
    (
      answer=$(timeout "$((REPMGR_CONNECT_TIMEOUT + 2))" \
        psql -XAtq -F ' ' -d "$(conninfo "$host" "$port")" -c "$peer_question" 2>/dev/null) || exit 0
      echo "$host $port $answer"
    ) &
  done < <(peers)
  wait
}

# primary_of SURVEY: the line of the primary. Two on one and the same highest timeline: no fact tells which is right.
primary_of() {
  local ranked first second
  ranked=$(grep ' primary ' <<<"$1" | sort -k4,4nr) || return 1
  { read -r first && read -r second; } <<<"$ranked" || true
  if [[ -n ${second:-} && $(cut -d' ' -f4 <<<"$first") == $(cut -d' ' -f4 <<<"$second") ]]; then
    warn "two primaries on one timeline, ${first%% *} and ${second%% *}: neither is believed"
    return 1
  fi
  echo "$first"
}
