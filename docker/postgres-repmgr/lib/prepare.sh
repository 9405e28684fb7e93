# shellcheck shell=bash
# Before PostgreSQL runs: brings the data directory into the state in which it may be started. New: initialised or
# cloned. Old: left as it is, or rejoined when REPMGR_AUTO_REJOIN says so. Deletes data only where that was asked for.

# Beside the data directory: present while a clone or initdb writes it, so that half of one is never taken for a database.
readonly incomplete_mark=$PGDATA.incomplete
# Present while pg_rewind may be at work: interrupted, it leaves a directory that must not be started.
readonly rewinding_mark=$PGDATA.rewinding
# `host port`, left by a standby that found when it ran that it cannot follow the primary as it is (see settle.sh).
readonly rejoin_order=$run_dir/rejoin-order

# Two containers on one volume destroy it, and postmaster.pid cannot tell: its process ids are of another container.
# The lock ends with the container, however that ends.
lock_volume() {
  exec {volume_lock}>"$PGDATA.lock"
  flock --nonblock "$volume_lock" || fail "another container uses the volume of $PGDATA"
}

# Left behind by a killed container. In this one the number in it may be any process, and PostgreSQL would not start.
remove_stale_pid_files() {
  rm -f "$PGDATA/postmaster.pid" "/run/postgresql/.s.PGSQL.$POSTGRESQL_PORT_NUMBER.lock" \
    "/run/postgresql/.s.PGSQL.$POSTGRESQL_PORT_NUMBER"
}

empty_data_directory() {
  rm -rf "$PGDATA"
  install -d -m 0700 "$PGDATA"
}

control_value() { pg_controldata -D "$PGDATA" | sed -n "s/^$1: *//p"; }

# The exact timeline, also of a server that was killed right after its promotion.
own_timeline() {
  local checkpoint recovery
  checkpoint=$(control_value "Latest checkpoint's TimeLineID")
  recovery=$(control_value "Min recovery ending loc's timeline")
  echo $((checkpoint > recovery ? checkpoint : recovery))
}

clone_from() {
  local host=$1 port=$2
  note "clones $host:$port"
  touch "$incomplete_mark"
  empty_data_directory
  repmgr -f "$repmgr_conf" -h "$host" -p "$port" -U "$REPMGR_USERNAME" -d "$REPMGR_DATABASE" \
    standby clone --fast-checkpoint || fail "the clone of $host:$port did not work"
  include_configuration
  rm -f "$incomplete_mark"
}

new_cluster() {
  touch "$incomplete_mark"
  empty_data_directory
  initialise_cluster
  rm -f "$incomplete_mark"
}

# No data: a witness makes its own cluster, the rest join the cluster that is there. The designated primary makes one only
# when no other node answers: a standby that answers proves that there is a cluster, which will have a primary again.
prepare_empty() {
  local survey primary
  if [[ $REPMGR_NODE_TYPE == witness ]]; then
    new_cluster
    return
  fi
  while true; do
    survey=$(survey_peers)
    if primary=$(primary_of "$survey") && [[ $primary == *' t' ]]; then
      # shellcheck disable=SC2086 # host port ...
      clone_from $primary
      return
    fi
    if is_designated_primary && [[ -z $survey ]]; then
      new_cluster
      return
    fi
    if every 15; then note "waits for a registered primary: ${survey:-no node answers}"; fi
    sleep 0.2
  done
}

# A crashed server's data must be recovered before it can be rewound. (A standby comes here only after a clean stop.)
recover_after_crash() {
  [[ $(control_value 'Database cluster state') != 'shut down'* ]] || return 0
  note 'recovers after a crash, before it rewinds'
  postgres --single -D "$PGDATA" -F template1 </dev/null >/dev/null || fail 'crash recovery did not work'
}

rejoin() {
  local host=$1 port=$2
  recover_after_crash
  # Until the first checkpoint after a promotion ends, the new primary's control file has the old timeline, and pg_rewind
  # would find nothing to do.
  sql "$(conninfo "$host" "$port")" CHECKPOINT >/dev/null || return 1
  repmgr -f "$repmgr_conf" node rejoin -d "$(conninfo "$host" "$port")" --force-rewind --verbose || return 1
  # It runs now as repmgr's child; it is to be ours.
  pg_ctl -D "$PGDATA" -s -w -m fast stop
}

# Ends with data that follows HOST, or with the container.
rejoin_or_clone() {
  local host=$1 port=$2
  touch "$rewinding_mark"
  if rejoin "$host" "$port"; then
    include_configuration
    note "rejoined $host"
  elif [[ $REPMGR_AUTO_REJOIN == clone ]]; then
    warn 'the rejoin did not work: clones afresh, as REPMGR_AUTO_REJOIN=clone allows'
    clone_from "$host" "$port"
  else
    fail 'the rejoin did not work; REPMGR_AUTO_REJOIN=clone would throw the data away and clone afresh'
  fi
  rm -f "$rewinding_mark" "$rejoin_order"
}

# Data of a former primary. Is there a primary on a higher timeline? Then this one was replaced, whatever its rows say.
prepare_former_primary() {
  local primary host port timeline registered
  # repmgr has a new primary registered a second after its promotion, and rejoins to no other.
  for _ in {1..25}; do
    primary=$(primary_of "$(survey_peers)") || {
      note "no other primary answers: starts with the data that is there, timeline $(own_timeline)"
      return 0
    }
    read -r host port _ timeline _ _ registered <<<"$primary"
    if ((timeline <= $(own_timeline))); then
      warn "$host claims to be primary too, on timeline $timeline; this node is on $(own_timeline) and starts as it is"
      return 0
    fi
    [[ $registered != t ]] || break
    sleep 0.2
  done
  note "was replaced by $host, primary on timeline $timeline (this node: $(own_timeline)): rejoins"
  rejoin_or_clone "$host" "$port"
}

prepare_existing() {
  local major
  major=$(<"$PGDATA/PG_VERSION")
  [[ $major == "$PG_MAJOR" ]] || fail "$PGDATA is of PostgreSQL $major, this image is of $PG_MAJOR"
  include_configuration
  if [[ $REPMGR_NODE_TYPE == witness ]]; then return; fi
  if [[ $REPMGR_AUTO_REJOIN == no ]]; then
    [[ ! -e $rewinding_mark ]] || fail 'a rewind was interrupted here: finish it with REPMGR_AUTO_REJOIN=yes (or clone)'
  elif [[ -e $rejoin_order ]]; then
    # shellcheck disable=SC2046 # host port
    rejoin_or_clone $(<"$rejoin_order")
  elif [[ ! -e $PGDATA/standby.signal ]]; then
    prepare_former_primary
  fi
  # Else a standby, which starts as it is: whom it follows is looked at when it runs.
}

# prepare_data: the only entry point of this file.
prepare_data() {
  remove_stale_pid_files
  if [[ -e $incomplete_mark ]]; then
    warn 'the last clone or initialisation was interrupted: begins again'
    rm -rf "$PGDATA"
  fi
  if [[ -s $PGDATA/PG_VERSION ]]; then
    prepare_existing
  elif [[ -n $(ls -A "$PGDATA" 2>/dev/null) ]]; then
    fail "$PGDATA is not empty and not a database: touches nothing"
  else
    prepare_empty
  fi
}
