#!/usr/bin/env bash
# The role pgha, with which pgha-proxy asks the nodes what they are. Runs once on the new primary, and once on a witness,
# which is a cluster of its own.
set -euo pipefail

: "${PGHA_MONITOR_PASSWORD:?is the password of the monitoring role pgha}"

psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --dbname "${REPMGR_DATABASE:-repmgr}" <<'SQL'
\getenv password PGHA_MONITOR_PASSWORD
CREATE ROLE pgha LOGIN PASSWORD :'password';
GRANT pg_read_all_stats TO pgha;
GRANT USAGE ON SCHEMA repmgr TO pgha;
GRANT SELECT (node_id, upstream_node_id, active, node_name, type, conninfo) ON repmgr.nodes TO pgha;
SQL
