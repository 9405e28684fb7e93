"""Writes an invoice every 20 ms over one session, connects again when it breaks, and prints what happens as JSON lines.

Arguments: a conninfo as libpq reads it, with any number of hosts; a prefix for the numbers; `long` (one session for as
long as it lasts), `fresh` (a session for each invoice) or `waiting` (one statement that waits for ever). psycopg2
connects as psql and PHP do: by PQconnectdb, which tries one host after the other, each for `connect_timeout`.
"""

import json
import sys
import time

import psycopg2

conninfo, prefix, style = sys.argv[1:4]
INSERT = """INSERT INTO invoices (number, customer, amount_cents) VALUES (%s, 'c', 1)
            RETURNING host(inet_client_addr()), inet_server_port()"""


def say(**line):
    print(json.dumps(line), flush=True)


def session():
    began = time.monotonic()
    connection = psycopg2.connect(conninfo)
    connection.autocommit = True
    say(connected=connection.info.host, ms=round((time.monotonic() - began) * 1000))
    with connection.cursor() as cursor:
        if style == "waiting":
            cursor.execute("SELECT pg_sleep(600)")
        while True:
            count[0] += 1
            cursor.execute(INSERT, (f"{prefix}-{count[0]}",))
            proxy, port = cursor.fetchone()
            say(written=f"{prefix}-{count[0]}", proxy=proxy, port=port)
            time.sleep(0.02)
            if style == "fresh":
                break
    connection.close()


count = [0]
while True:
    try:
        session()
    except psycopg2.Error as error:
        say(error=" ".join(str(error).split()), code=error.pgcode)
        time.sleep(0.02)
