# shellcheck shell=bash
# The environment: reads it, fills in defaults, refuses what is wrong, names what has no effect. All faults are
# reported at once, exit code 2. Names are those of bitnami/postgresql-repmgr; ours alone are in `settings_of_our_own`.

# Understood, with the default. An empty default means: not set.
declare -Ar setting_defaults=(
  [POSTGRESQL_USERNAME]=postgres [POSTGRESQL_PASSWORD]='' [POSTGRESQL_POSTGRES_PASSWORD]='' [POSTGRESQL_DATABASE]=''
  [POSTGRESQL_PORT_NUMBER]=5432 [POSTGRESQL_INITDB_ARGS]='' [POSTGRESQL_FSYNC]=on [POSTGRESQL_SHUTDOWN_MODE]=fast
  [POSTGRESQL_SHARED_PRELOAD_LIBRARIES]='' [POSTGRESQL_ENABLE_TLS]=no
  [REPMGR_USERNAME]=repmgr [REPMGR_PASSWORD]='' [REPMGR_DATABASE]=repmgr
  [REPMGR_PRIMARY_HOST]='' [REPMGR_PRIMARY_PORT]=5432 [REPMGR_PARTNER_NODES]=''
  [REPMGR_NODE_NAME]='' [REPMGR_NODE_ID]='' [REPMGR_NODE_ID_START_SEED]=1000 [REPMGR_NODE_NETWORK_NAME]=''
  [REPMGR_PORT_NUMBER]='' [REPMGR_NODE_TYPE]=data [REPMGR_NODE_PRIORITY]=100 [REPMGR_NODE_LOCATION]=default
  [REPMGR_CONNECT_TIMEOUT]=5 [REPMGR_RECONNECT_ATTEMPTS]=3 [REPMGR_RECONNECT_INTERVAL]=5
  [REPMGR_MASTER_RESPONSE_TIMEOUT]=20 [REPMGR_DEGRADED_MONITORING_TIMEOUT]=-1 [REPMGR_MONITOR_INTERVAL_SECS]=2
  [REPMGR_PRIMARY_VISIBILITY_CONSENSUS]=false [REPMGR_MONITORING_HISTORY]=no [REPMGR_USE_REPLICATION_SLOTS]=1
  [REPMGR_LOG_LEVEL]=NOTICE [REPMGR_FAILOVER]=automatic
)
declare -Ar settings_of_our_own=([REPMGR_AUTO_REJOIN]=no [POSTGRESQL_EXTRA_CONF]='')

# Each becomes one line of postgresql.conf when it is set.
declare -Ar server_parameters=(
  [POSTGRESQL_MAX_CONNECTIONS]=max_connections [POSTGRESQL_STATEMENT_TIMEOUT]=statement_timeout
  [POSTGRESQL_TIMEZONE]=timezone [POSTGRESQL_LOG_TIMEZONE]=log_timezone [POSTGRESQL_LOG_LINE_PREFIX]=log_line_prefix
  [POSTGRESQL_LOG_CONNECTIONS]=log_connections [POSTGRESQL_LOG_DISCONNECTIONS]=log_disconnections
  [POSTGRESQL_LOG_HOSTNAME]=log_hostname [POSTGRESQL_CLIENT_MIN_MESSAGES]=client_min_messages
  [POSTGRESQL_TCP_KEEPALIVES_IDLE]=tcp_keepalives_idle [POSTGRESQL_TCP_KEEPALIVES_INTERVAL]=tcp_keepalives_interval
  [POSTGRESQL_TCP_KEEPALIVES_COUNT]=tcp_keepalives_count [POSTGRESQL_WAL_LEVEL]=wal_level
  [POSTGRESQL_DEFAULT_TOAST_COMPRESSION]=default_toast_compression
  [POSTGRESQL_DEFAULT_TRANSACTION_ISOLATION]=default_transaction_isolation
  [POSTGRESQL_TLS_CERT_FILE]=ssl_cert_file [POSTGRESQL_TLS_KEY_FILE]=ssl_key_file [POSTGRESQL_TLS_CA_FILE]=ssl_ca_file
  [POSTGRESQL_TLS_CRL_FILE]=ssl_crl_file [POSTGRESQL_TLS_PREFER_SERVER_CIPHERS]=ssl_prefer_server_ciphers
)

# Without effect here, and dangerous to ignore: refused unless the value is the one that asks for nothing.
declare -Ar refused_unless=(
  [ALLOW_EMPTY_PASSWORD]=no [REPMGR_PGHBA_TRUST_ALL]=no [POSTGRESQL_ENABLE_LDAP]=no [POSTGRESQL_PERFORM_RESTORE]=no
  [POSTGRESQL_REPLICATION_MODE]=master [POSTGRESQL_NUM_SYNCHRONOUS_REPLICAS]=0 [POSTGRESQL_SYNCHRONOUS_COMMIT_MODE]=on
  [POSTGRESQL_PASSWORD_ENCRYPTION]=scram-sha-256 [POSTGRESQL_PGHBA_REMOVE_FILTERS]='' [POSTGRESQL_INITDB_WAL_DIR]=''
  [POSTGRESQL_VOLUME_DIR]=/bitnami/postgresql [POSTGRESQL_DATA_DIR]=/bitnami/postgresql/data
)

declare -a setting_faults=()
fault() { setting_faults+=("$*"); }

# NAME_FILE holds the value of NAME, as Docker and Kubernetes hand out secrets.
read_secret_files() {
  local name file
  for name in POSTGRESQL_USERNAME POSTGRESQL_PASSWORD POSTGRESQL_POSTGRES_PASSWORD POSTGRESQL_DATABASE \
    REPMGR_USERNAME REPMGR_PASSWORD REPMGR_DATABASE; do
    file="${name}_FILE"
    [[ -n ${!file:-} ]] || continue
    if [[ -r ${!file} ]]; then
      printf -v "$name" '%s' "$(<"${!file}")"
    else
      fault "$file: ${!file} cannot be read"
    fi
  done
}

apply_defaults() {
  local name
  for name in "${!setting_defaults[@]}"; do
    [[ -n ${!name:-} ]] || printf -v "$name" '%s' "${setting_defaults[$name]}"
    # Exported: what runs from /docker-entrypoint-initdb.d sees every setting, also those read from files.
    export "${name?}"
  done
  for name in "${!settings_of_our_own[@]}"; do
    [[ -n ${!name:-} ]] || printf -v "$name" '%s' "${settings_of_our_own[$name]}"
    export "${name?}"
  done
  REPMGR_NODE_NAME=${REPMGR_NODE_NAME:-$HOSTNAME}
  REPMGR_NODE_NETWORK_NAME=${REPMGR_NODE_NETWORK_NAME:-$REPMGR_NODE_NAME}
  REPMGR_PORT_NUMBER=${REPMGR_PORT_NUMBER:-$POSTGRESQL_PORT_NUMBER}
  if [[ -z $REPMGR_NODE_ID && $REPMGR_NODE_NAME =~ -([0-9]+)$ ]]; then
    # 10#: pg-08 is eight, not a broken octal number.
    REPMGR_NODE_ID=$((10#${BASH_REMATCH[1]} + REPMGR_NODE_ID_START_SEED))
  fi
}

# One of a few words, or a fault that lists them.
must_be_one_of() {
  local name=$1 allowed=" $2 "
  [[ $allowed == *" ${!name} "* ]] || fault "$name: '${!name}' is not one of:$allowed"
}

must_be_given() { [[ -n ${!1} ]] || fault "$1 must be set: $2"; }

must_be_a_number() {
  local name
  for name in "$@"; do [[ ${!name} =~ ^-?[0-9]+$ ]] || fault "$name: '${!name}' is not a number"; done
}

check_settings() {
  must_be_given REPMGR_PASSWORD 'the password of the role that replication and repmgr use'
  must_be_given REPMGR_PRIMARY_HOST 'the node that becomes the first primary'
  must_be_given REPMGR_NODE_ID "the name '$REPMGR_NODE_NAME' has no number at its end to derive it from"
  must_be_a_number POSTGRESQL_PORT_NUMBER REPMGR_PORT_NUMBER REPMGR_PRIMARY_PORT REPMGR_NODE_PRIORITY \
    REPMGR_CONNECT_TIMEOUT REPMGR_RECONNECT_ATTEMPTS REPMGR_RECONNECT_INTERVAL REPMGR_MASTER_RESPONSE_TIMEOUT \
    REPMGR_DEGRADED_MONITORING_TIMEOUT REPMGR_MONITOR_INTERVAL_SECS
  [[ -z $REPMGR_NODE_ID || $REPMGR_NODE_ID =~ ^[1-9][0-9]*$ ]] || fault "REPMGR_NODE_ID: '$REPMGR_NODE_ID' is not a positive number"
  must_be_one_of REPMGR_NODE_TYPE 'data witness'
  must_be_one_of REPMGR_FAILOVER 'automatic manual'
  must_be_one_of REPMGR_AUTO_REJOIN 'no yes clone'
  must_be_one_of POSTGRESQL_FSYNC 'on off'
  must_be_one_of POSTGRESQL_SHUTDOWN_MODE 'smart fast immediate'
  must_be_one_of POSTGRESQL_ENABLE_TLS 'yes no'
  if [[ $POSTGRESQL_ENABLE_TLS == yes && -z ${POSTGRESQL_TLS_CERT_FILE:-} ]]; then
    fault 'POSTGRESQL_ENABLE_TLS=yes needs POSTGRESQL_TLS_CERT_FILE and POSTGRESQL_TLS_KEY_FILE'
  fi
}

# Nothing is ignored in silence: what has no effect is refused, or named in a warning.
check_foreign_settings() {
  local name
  while read -r name; do
    if [[ -v "refused_unless[$name]" ]]; then
      [[ ${!name} == "${refused_unless[$name]}" ]] || fault "$name=${!name} is not supported by this image"
    elif [[ ! -v "setting_defaults[$name]" && ! -v "settings_of_our_own[$name]" && ! -v "server_parameters[$name]" ]] &&
      [[ ! $name =~ (USERNAME|PASSWORD|DATABASE)_FILE$ ]]; then
      case $name in
        REPMGR_USE_PGREWIND) warn "$name has no effect here: REPMGR_AUTO_REJOIN=yes rewinds" ;;
        *) warn "$name is not known to this image and has no effect" ;;
      esac
    fi
  done < <(compgen -e | grep -E '^(POSTGRESQL_|POSTGRES_|REPMGR_|ALLOW_EMPTY_PASSWORD$)')
  for name in /bitnami/postgresql/conf/postgresql.conf /bitnami/postgresql/conf/pg_hba.conf /bitnami/repmgr/conf; do
    [[ ! -e $name ]] || warn "$name is not read by this image: use POSTGRESQL_EXTRA_CONF or /bitnami/postgresql/conf/conf.d/*.conf"
  done
}

# load_settings: afterwards every setting above is set, valid and exported. Exit code 2 when not, as for any bad usage.
load_settings() {
  check_foreign_settings
  read_secret_files
  apply_defaults
  check_settings
  ((${#setting_faults[@]} == 0)) && return
  local words
  for words in "${setting_faults[@]}"; do say ERROR "$words"; done
  exit 2
}
