# shellcheck shell=bash
# Makes a new, empty database cluster: the first primary's, or a witness's own. Runs the scripts of
# /docker-entrypoint-initdb.d in it, once, before anybody can connect over the network.

readonly initdb_scripts=/docker-entrypoint-initdb.d

# As superuser over the local socket, which needs no password. Values travel as psql variables, never inside the SQL.
local_psql() { psql -X -q -v ON_ERROR_STOP=1 -U postgres -p "$POSTGRESQL_PORT_NUMBER" "$@"; }

make_cluster() {
  local -a options=(--username=postgres --auth-local=peer --auth-host=scram-sha-256 --encoding=UTF8)
  [[ $POSTGRESQL_FSYNC == on ]] || options+=(--no-sync)
  # shellcheck disable=SC2206 # several options in one variable, as bitnami has it
  options+=($POSTGRESQL_INITDB_ARGS)
  initdb -D "$PGDATA" "${options[@]}" >/dev/null
}

create_roles() {
  local postgres_password=$POSTGRESQL_POSTGRES_PASSWORD
  [[ $POSTGRESQL_USERNAME != postgres ]] || postgres_password=${POSTGRESQL_POSTGRES_PASSWORD:-$POSTGRESQL_PASSWORD}
  local_psql -d postgres -v role="$REPMGR_USERNAME" -v password="$REPMGR_PASSWORD" -v database="$REPMGR_DATABASE" \
    -v postgres_password="$postgres_password" <<'SQL'
SELECT :'postgres_password' <> '' AS postgres_may_log_in \gset
\if :postgres_may_log_in
  ALTER ROLE postgres PASSWORD :'postgres_password';
\endif
CREATE ROLE :"role" LOGIN SUPERUSER PASSWORD :'password';
ALTER ROLE :"role" SET search_path TO repmgr, "$user", public;
CREATE DATABASE :"database" OWNER :"role";
\connect :"database"
CREATE EXTENSION repmgr;
SQL
}

# Not on a witness: it holds no data.
create_application_database() {
  if [[ $POSTGRESQL_USERNAME != postgres ]]; then
    local_psql -d postgres -v role="$POSTGRESQL_USERNAME" -v password="$POSTGRESQL_PASSWORD" \
      <<<"CREATE ROLE :\"role\" LOGIN CREATEDB PASSWORD :'password';"
  fi
  [[ -n $POSTGRESQL_DATABASE ]] || return 0
  local_psql -d postgres -v database="$POSTGRESQL_DATABASE" -v owner="$POSTGRESQL_USERNAME" \
    <<<'CREATE DATABASE :"database" OWNER :"owner";'
}

run_initdb_scripts() {
  local script
  for script in "$initdb_scripts"/*; do
    case $script in
      *.sh)
        note "runs $script"
        # A script without the execute bit (a mounted file, often) is run by bash all the same.
        if [[ -x $script ]]; then "$script"; else bash "$script"; fi
        ;;
      *.sql) note "runs $script" && local_psql -d postgres -f "$script" ;;
      *.sql.gz) note "runs $script" && gunzip -c "$script" | local_psql -d postgres ;;
      "$initdb_scripts/*") ;;
      *) warn "$script is not .sh, .sql or .sql.gz and is not run" ;;
    esac
  done
}

# initialise_cluster: from nothing to a stopped, complete cluster.
initialise_cluster() {
  [[ $REPMGR_NODE_TYPE == witness || -n $POSTGRESQL_PASSWORD ]] ||
    fail "POSTGRESQL_PASSWORD must be set: the password of $POSTGRESQL_USERNAME in the new cluster"
  note "makes a new cluster in $PGDATA"
  make_cluster
  include_configuration
  # Not reachable from outside until all is there: nobody sees half a database, no standby clones it.
  pg_ctl -D "$PGDATA" -s -w -o "-c listen_addresses='' -c log_connections=off -c log_disconnections=off" start
  # PGUSER and PGPORT: plain `psql` works in the scripts.
  export PGUSER=postgres PGPORT=$POSTGRESQL_PORT_NUMBER
  create_roles
  [[ $REPMGR_NODE_TYPE == witness ]] || create_application_database
  run_initdb_scripts
  unset PGUSER PGPORT
  pg_ctl -D "$PGDATA" -s -w -m fast stop
}
