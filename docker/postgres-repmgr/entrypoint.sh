#!/usr/bin/env bash
# Process 1 of the container: reads the settings, writes the configuration, prepares the data directory, runs PostgreSQL and
# repmgrd. The work is in lib/; this file is the order of it. `docker run IMAGE COMMAND` runs COMMAND instead.
# shellcheck source-path=SCRIPTDIR
set -euo pipefail
readonly lib=/usr/local/lib/postgres-repmgr

# As root only to take over a volume that belongs to root, such as a fresh bind mount. PostgreSQL refuses to run as root.
if (($(id -u) == 0)); then
  chown postgres:postgres /var/lib/postgresql /run/postgres-repmgr /run/postgresql
  [[ ! -d $PGDATA ]] || find "$PGDATA" ! -user postgres -exec chown postgres:postgres {} +
  exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
fi

if (($# > 0)); then exec "$@"; fi

# shellcheck source=lib/log.sh
source "$lib/log.sh"
# shellcheck source=lib/settings.sh
source "$lib/settings.sh"
# shellcheck source=lib/configuration.sh
source "$lib/configuration.sh"
# shellcheck source=lib/peers.sh
source "$lib/peers.sh"
# shellcheck source=lib/initialise.sh
source "$lib/initialise.sh"
# shellcheck source=lib/prepare.sh
source "$lib/prepare.sh"
# shellcheck source=lib/settle.sh
source "$lib/settle.sh"
# shellcheck source=lib/supervise.sh
source "$lib/supervise.sh"

umask 0077
load_settings
write_configuration
lock_volume
run_node
