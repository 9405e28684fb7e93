"""psycopg 2 as applications use it, step by step; see ../steps.ts for what each step prints."""

import hashlib
import io
import json
import select
import sys
import threading
import time

import psycopg2
import psycopg2.extensions

CONNINFO = ""  # libpq reads PGHOST and the rest from the environment.
BIG = "0123456789abcdef" * 65536


def say(step, value):
    print(json.dumps({"step": step, "value": value}), flush=True)


def one(cursor, sql, values=None):
    cursor.execute(sql, values)
    return cursor.fetchone()[0]


def digest(data):
    return {"bytes": len(data), "md5": hashlib.md5(data).hexdigest()}


def failure(cursor, sql):
    try:
        cursor.execute(sql)
    except psycopg2.Error as error:
        return error
    raise AssertionError(f"{sql} did not fail")


def error_in_transaction(connection):
    cursor = connection.cursor()
    first = failure(cursor, "SELECT 1/0")
    second = failure(cursor, "SELECT 1")
    connection.rollback()
    after = one(cursor, "SELECT 1")
    connection.commit()
    return {"codes": [first.pgcode, second.pgcode], "message": str(first), "after": after}


def copy(connection):
    cursor = connection.cursor()
    cursor.execute("CREATE TEMP TABLE copied (id int, name text)")
    text = "".join(f"{id}\trow {id}\n" for id in range(1, 1001))
    cursor.copy_expert("COPY copied FROM STDIN", io.StringIO(text))
    cursor.execute("SELECT count(*)::int, sum(id)::int FROM copied")
    count, total = cursor.fetchone()
    say("copyIn", {"rows": count, "sum": total})
    out = io.BytesIO()
    cursor.copy_expert("COPY (SELECT * FROM copied ORDER BY id) TO STDOUT", out)
    say("copyOut", digest(out.getvalue()))
    connection.commit()


def large_object(connection):
    data = BIG[:100000].encode()
    made = connection.lobject(0, "wb")
    made.write(data)
    made.close()
    read = connection.lobject(made.oid, "rb").read()
    connection.lobject(made.oid).unlink()
    connection.commit()
    return digest(read)


def notify(connection):
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("LISTEN news")
    with psycopg2.connect(CONNINFO) as other:
        other.cursor().execute("NOTIFY news, 'paper'")
    other.close()
    while not connection.notifies:
        select.select([connection], [], [], 20)
        connection.poll()
    heard = connection.notifies.pop()
    cursor.execute("UNLISTEN news")
    return {"channel": heard.channel, "payload": heard.payload}


def cancel(connection):
    cursor = connection.cursor()
    pid = one(cursor, "SELECT pg_backend_pid()")

    def cancel_once_it_sleeps():
        other = psycopg2.connect(CONNINFO)
        other.autocommit = True
        watch = other.cursor()
        sleeping = "SELECT count(*)::int FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
        while one(watch, sleeping, (pid,)) == 0:
            time.sleep(0.02)
        other.close()
        connection.cancel()

    thread = threading.Thread(target=cancel_once_it_sleeps)
    thread.start()
    error = failure(cursor, "SELECT pg_sleep(60)")
    thread.join()
    return {"code": error.pgcode, "message": str(error)}


def steps():
    connection = psycopg2.connect(CONNINFO)
    cursor = connection.cursor()
    libpq = psycopg2.extensions.libpq_version()
    say("client", f"psycopg2 {psycopg2.__version__.split()[0]}, libpq {libpq // 10000}.{libpq % 10000}")
    cursor.execute("SELECT current_user, current_database(), ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    user, database, tls = cursor.fetchone()
    say("connect", {"user": user, "database": database, "tls": tls})
    say("version", str(connection.server_version))
    cursor.execute("PREPARE adding AS SELECT $1::int + $2::int")
    say("prepared", [one(cursor, "EXECUTE adding (%s, %s)", pair) for pair in ((1, 2), (3, 4))])
    connection.commit()
    say("error", error_in_transaction(connection))
    copy(connection)
    say("largeObject", large_object(connection))
    say("notify", notify(connection))
    say("cancel", cancel(connection))
    say("big", digest(one(cursor, "SELECT %s::text", (BIG,)).encode()))
    connection.close()


def standby():
    connection = psycopg2.connect(CONNINFO)
    connection.autocommit = True
    cursor = connection.cursor()
    recovering = one(cursor, "SELECT pg_is_in_recovery()")
    error = failure(cursor, "CREATE TABLE no_place_for_it ()")
    say("standby", {"recovering": recovering, "code": error.pgcode, "message": str(error)})
    connection.close()


def write(prefix):
    connection = None
    number = 0
    while True:
        number += 1
        try:
            if connection is None or connection.closed:
                connection = psycopg2.connect(CONNINFO)
                connection.autocommit = True
            cursor = connection.cursor()
            insert = "INSERT INTO invoices (number, customer, amount_cents) VALUES (%s, 'client', 100) RETURNING inet_server_port()"
            port = one(cursor, insert, (f"{prefix}-{number}",))
            print(json.dumps({"written": f"{prefix}-{number}", "port": port}), flush=True)
        except psycopg2.Error as error:
            text = str(error).strip() or repr(error)
            print(json.dumps({"error": {"code": error.pgcode, "kind": type(error).__name__, "text": text}}), flush=True)
        time.sleep(0.05)


{"steps": steps, "standby": standby, "write": write}[sys.argv[1]](*sys.argv[2:])
