"""psycopg 3 as applications use it, step by step; see ../steps.ts for what each step prints."""

import hashlib
import json
import sys
import threading
import time

import psycopg

CONNINFO = ""  # libpq reads PGHOST and the rest from the environment.
BIG = "0123456789abcdef" * 65536


def say(step, value):
    print(json.dumps({"step": step, "value": value}), flush=True)


def one(connection, sql, values=None, **options):
    return connection.execute(sql, values, **options).fetchone()[0]


def digest(data):
    return {"bytes": len(data), "md5": hashlib.md5(data).hexdigest()}


def failure(connection, sql):
    try:
        connection.execute(sql)
    except psycopg.Error as error:
        return error
    raise AssertionError(f"{sql} did not fail")


def error_in_transaction(connection):
    connection.execute("BEGIN")
    first = failure(connection, "SELECT 1/0")
    second = failure(connection, "SELECT 1")
    connection.execute("ROLLBACK")
    return {"codes": [first.sqlstate, second.sqlstate], "message": str(first), "after": one(connection, "SELECT 1")}


def copy(connection):
    cursor = connection.cursor()
    cursor.execute("CREATE TEMP TABLE copied (id int, name text)")
    with cursor.copy("COPY copied FROM STDIN") as into:
        for id in range(1, 1001):
            into.write_row((id, f"row {id}"))
    count, total = cursor.execute("SELECT count(*)::int, sum(id)::int FROM copied").fetchone()
    say("copyIn", {"rows": count, "sum": total})
    with cursor.copy("COPY (SELECT * FROM copied ORDER BY id) TO STDOUT") as out:
        say("copyOut", digest(b"".join(bytes(piece) for piece in out)))


def notify(connection):
    connection.execute("LISTEN news")
    with psycopg.connect(CONNINFO, autocommit=True) as other:
        other.execute("NOTIFY news, 'paper'")
    heard = next(connection.notifies())
    connection.execute("UNLISTEN news")
    return {"channel": heard.channel, "payload": heard.payload}


def cancel(connection):
    pid = one(connection, "SELECT pg_backend_pid()")

    def cancel_once_it_sleeps():
        sleeping = "SELECT count(*)::int FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
        with psycopg.connect(CONNINFO, autocommit=True) as other:
            while one(other, sleeping, (pid,)) == 0:
                time.sleep(0.02)
        connection.cancel()

    thread = threading.Thread(target=cancel_once_it_sleeps)
    thread.start()
    error = failure(connection, "SELECT pg_sleep(60)")
    thread.join()
    return {"code": error.sqlstate, "message": str(error)}


def pipelined(connection):
    with connection.pipeline():
        cursors = [connection.execute("SELECT %s::int", (number,)) for number in range(1, 101)]
    return sum(cursor.fetchone()[0] for cursor in cursors)


def steps():
    connection = psycopg.connect(CONNINFO, autocommit=True)
    libpq = psycopg.pq.version()
    say("client", f"psycopg {psycopg.__version__}, libpq {libpq // 10000}.{libpq % 10000}")
    user, database, tls = connection.execute(
        "SELECT current_user::text, current_database()::text, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    ).fetchone()
    say("connect", {"user": user, "database": database, "tls": tls})
    say("version", str(connection.info.server_version))
    adding = "SELECT %s::int + %s::int"
    say("prepared", [one(connection, adding, pair, prepare=True) for pair in ((1, 2), (3, 4))])
    say("error", error_in_transaction(connection))
    copy(connection)
    say("notify", notify(connection))
    say("cancel", cancel(connection))
    say("big", digest(one(connection, "SELECT %s::text", (BIG,)).encode()))
    say("pipeline", pipelined(connection))
    connection.close()


def standby():
    with psycopg.connect(CONNINFO, autocommit=True) as connection:
        recovering = one(connection, "SELECT pg_is_in_recovery()")
        error = failure(connection, "CREATE TABLE no_place_for_it ()")
        say("standby", {"recovering": recovering, "code": error.sqlstate, "message": str(error)})


def write(prefix):
    connection = None
    number = 0
    while True:
        number += 1
        try:
            if connection is None or connection.closed:
                connection = psycopg.connect(CONNINFO, autocommit=True)
            insert = "INSERT INTO invoices (number, customer, amount_cents) VALUES (%s, 'client', 100) RETURNING inet_server_port()"
            port = one(connection, insert, (f"{prefix}-{number}",))
            print(json.dumps({"written": f"{prefix}-{number}", "port": port}), flush=True)
        except psycopg.Error as error:
            text = str(error).strip() or repr(error)
            print(json.dumps({"error": {"code": error.sqlstate, "kind": type(error).__name__, "text": text}}), flush=True)
        time.sleep(0.05)


{"steps": steps, "standby": standby, "write": write}[sys.argv[1]](*sys.argv[2:])
