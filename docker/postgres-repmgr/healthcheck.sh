#!/usr/bin/env bash
# Healthy: the server answers, repmgr has it registered in the role that it plays, repmgrd runs. A returned old primary that
# believes in itself is healthy by this: only a proxy that remembers can tell.
set -euo pipefail

# In a container started as root the check comes as root, whom PostgreSQL's socket does not know.
if (($(id -u) == 0)); then exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0"; fi

healthy=$(psql -XAtq -U postgres -p "${POSTGRESQL_PORT_NUMBER:-5432}" -d "${REPMGR_DATABASE:-repmgr}" -c "
SELECT repmgr.repmgrd_is_running() AND me.type =
  CASE WHEN pg_is_in_recovery() THEN 'standby' WHEN me.type = 'witness' THEN 'witness' ELSE 'primary' END
FROM repmgr.nodes AS me WHERE me.node_name = current_setting('cluster_name')")
[[ $healthy == t ]] || { echo 'not registered in the role that it plays, or repmgrd does not run' && exit 1; }
