# shellcheck shell=bash
# Runs as process 1: PostgreSQL and repmgrd side by side, and the steps before and between. PostgreSQL gone: the container
# ends with its code. repmgrd gone: it is started again. A signal to stop: repmgrd first, then PostgreSQL.

declare -A running=() # what runs, by name: its process id
declare -i stopping=0 exit_code=0

# Children do not inherit the lock's descriptor as anything they could close or keep.
start_as() {
  local name=$1
  shift
  "$@" {volume_lock}>&- &
  running[$name]=$!
}

is_running() { [[ -n ${running[$1]:-} ]]; }

signal_to() { if is_running "$2"; then kill -"$1" "${running[$2]}" 2>/dev/null || true; fi; }

# Without PostgreSQL there is nothing to save: what still prepares dies with process 1.
request_stop() {
  ((stopping += 1))
  note "$1: stops"
  for name in settle repmgrd pause; do signal_to TERM "$name"; done
  if ! is_running postgres; then exit 0; fi
  case $POSTGRESQL_SHUTDOWN_MODE in
    smart) signal_to TERM postgres ;;
    fast) signal_to INT postgres ;;
    immediate) signal_to QUIT postgres ;;
  esac
}

# wait_for_one: sets `ended` and `code` for the next child of ours that ends. A signal that is handled interrupts the wait.
wait_for_one() {
  local name pid
  ended=''
  code=0
  wait -n -p pid "${running[@]}" || code=$?
  [[ -n ${pid:-} ]] || return 0
  for name in "${!running[@]}"; do
    if [[ ${running[$name]} == "$pid" ]]; then
      ended=$name
      unset "running[$name]"
    fi
  done
}

start_repmgrd() { start_as repmgrd repmgrd -f "$repmgr_conf" --daemonize=false --no-pid-file; }

# bring_up: prepare_data as a child, so that a signal is heard while a clone takes its hour; then PostgreSQL.
bring_up() {
  start_as preparation prepare_data
  ended=''
  until [[ $ended == preparation ]]; do wait_for_one; done
  ((code == 0)) || exit "$code"
  start_as postgres postgres -D "$PGDATA"
  start_as settle settle
}

on_postgres_end() {
  local name
  for name in settle repmgrd pause; do signal_to TERM "$name"; done
  if ((stopping)); then exit "$exit_code"; fi
  if [[ -e $rejoin_order ]]; then
    bring_up
    return
  fi
  warn "PostgreSQL ended by itself, code $code"
  exit "$code"
}

on_settle_end() {
  if ((stopping)); then return; fi
  case $code in
    0) start_repmgrd ;;
    "$exit_code_rejoin") signal_to INT postgres ;;
    *)
      exit_code=$code
      request_stop 'could not settle'
      ;;
  esac
}

on_repmgrd_end() {
  if ((stopping)); then return; fi
  warn "repmgrd ended, code $code: starts it again in a second"
  start_as pause sleep 1
}

# run_node: does not return.
run_node() {
  trap 'request_stop SIGTERM' TERM
  trap 'request_stop SIGINT' INT
  rm -f "$rejoin_order"
  bring_up
  while true; do
    wait_for_one
    case $ended in
      postgres) on_postgres_end ;;
      settle) on_settle_end ;;
      repmgrd) on_repmgrd_end ;;
      # It gives up where its upstream is gone: perhaps there is another primary to follow by now.
      pause) if ((!stopping)); then start_as settle settle; fi ;;
    esac
  done
}
