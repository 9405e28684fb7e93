# shellcheck shell=bash
# Writes, at every start and from the settings alone, the files that PostgreSQL and repmgr read. They are outside the data
# directory, because a clone and pg_rewind copy whatever is inside it from another node.

readonly run_dir=/run/postgres-repmgr
readonly repmgr_conf=$run_dir/repmgr.conf
readonly conf_d=/var/lib/postgresql/conf/conf.d

# A value for postgresql.conf or repmgr.conf, in quotes.
quoted() { printf "'%s'" "${1//\'/\'\'}"; }

# The password is in no conninfo and so in no repmgr.nodes, process list or log.
write_passfile() {
  local escaped=${REPMGR_PASSWORD//\\/\\\\}
  printf '*:*:*:%s:%s\n' "$REPMGR_USERNAME" "${escaped//:/\\:}" >"$PGPASSFILE"
  chmod 0600 "$PGPASSFILE"
}

# Local socket: the container's own user is the superuser by its user id. Everything else proves a password.
write_hba() {
  cat >"$run_dir/pg_hba.conf" <<CONF
local all         postgres     peer
local all         all          scram-sha-256
host  all         all      all scram-sha-256
host  replication all      all scram-sha-256
CONF
}

write_postgresql_conf() {
  local name
  {
    cat <<CONF
# Written at every start of the container. Changes belong into POSTGRESQL_EXTRA_CONF.
listen_addresses = '*'
port = $POSTGRESQL_PORT_NUMBER
cluster_name = $(quoted "$REPMGR_NODE_NAME")
hba_file = '$run_dir/pg_hba.conf'
unix_socket_directories = '/run/postgresql'
password_encryption = 'scram-sha-256'
shared_preload_libraries = 'repmgr${POSTGRESQL_SHARED_PRELOAD_LIBRARIES:+,$POSTGRESQL_SHARED_PRELOAD_LIBRARIES}'
wal_level = 'replica'
hot_standby = on
max_wal_senders = 16
max_replication_slots = 16
# For pg_rewind: hint bits in the WAL, and the WAL since the fork still there.
wal_log_hints = on
wal_keep_size = '256MB'
fsync = $POSTGRESQL_FSYNC
log_destination = 'stderr'
log_line_prefix = '%m [%p] %q%u@%d %h '
log_timezone = 'UTC'
timezone = 'UTC'
log_connections = on
log_disconnections = on
CONF
    [[ $POSTGRESQL_ENABLE_TLS == no ]] || echo 'ssl = on'
    for name in "${!server_parameters[@]}"; do
      [[ -z ${!name:-} ]] || echo "${server_parameters[$name]} = $(quoted "${!name}")"
    done
    [[ ! -d $conf_d ]] || echo "include_dir = '$conf_d'"
    printf '%s\n' "$POSTGRESQL_EXTRA_CONF"
  } >"$run_dir/postgresql.conf"
}

# connection_check_type is never `query`: against a frozen primary repmgrd then waits for minutes.
write_repmgr_conf() {
  cat >"$repmgr_conf" <<CONF
node_id=$REPMGR_NODE_ID
node_name=$(quoted "$REPMGR_NODE_NAME")
conninfo='$(own_conninfo)'
data_directory='$PGDATA'
pg_bindir='/usr/lib/postgresql/$PG_MAJOR/bin'
passfile='$PGPASSFILE'
use_replication_slots=$REPMGR_USE_REPLICATION_SLOTS
location=$(quoted "$REPMGR_NODE_LOCATION")
priority=$REPMGR_NODE_PRIORITY
log_level=$REPMGR_LOG_LEVEL
failover=$REPMGR_FAILOVER
promote_command='repmgr -f $repmgr_conf standby promote'
follow_command='repmgr -f $repmgr_conf standby follow --upstream-node-id=%n'
connection_check_type=ping
reconnect_attempts=$REPMGR_RECONNECT_ATTEMPTS
reconnect_interval=$REPMGR_RECONNECT_INTERVAL
monitor_interval_secs=$REPMGR_MONITOR_INTERVAL_SECS
monitoring_history=$REPMGR_MONITORING_HISTORY
async_query_timeout=$REPMGR_MASTER_RESPONSE_TIMEOUT
degraded_monitoring_timeout=$REPMGR_DEGRADED_MONITORING_TIMEOUT
primary_visibility_consensus=$REPMGR_PRIMARY_VISIBILITY_CONSENSUS
CONF
}

# conninfo HOST PORT: how nodes reach each other. A host that vanished without a word is given up after 5 s: without the
# limits repmgrd has been seen to wait on such a connection for minutes, in the middle of a failover that needed it.
conninfo() {
  echo "host=$1 port=$2 user=$REPMGR_USERNAME dbname=$REPMGR_DATABASE connect_timeout=$REPMGR_CONNECT_TIMEOUT" \
    'keepalives_idle=2 keepalives_interval=1 keepalives_count=3 tcp_user_timeout=5000'
}

own_conninfo() { conninfo "$REPMGR_NODE_NETWORK_NAME" "$REPMGR_PORT_NUMBER"; }

write_configuration() {
  write_passfile
  write_hba
  write_postgresql_conf
  write_repmgr_conf
}

# The data directory's own postgresql.conf is the same on every node: it may be cloned and rewound.
include_configuration() {
  echo "include '$run_dir/postgresql.conf'" >"$PGDATA/postgresql.conf"
}
