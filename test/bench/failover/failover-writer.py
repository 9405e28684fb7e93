"""Writes at a steady pace and prints, as JSON lines, when which server acknowledged, and every error.

Arguments: a conninfo as libpq reads it; a prefix for the numbers; `long` (one session for as long as it lasts) or `fresh`
(a session for each invoice); the pause between two invoices in seconds, which is also the pause after an error. psycopg2
connects by PQconnectdb, as psql and PHP do. No time limits but those of the conninfo: whoever hangs, hangs.
"""

import json
import sys
import time

import psycopg2

conninfo, prefix, style, pause = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])
INSERT = "INSERT INTO invoices (number, customer, amount_cents) VALUES (%s, 'c', 1) RETURNING inet_server_port()"


def say(**line):
    print(json.dumps({"at": time.time() * 1000, **line}), flush=True)


def session():
    connection = psycopg2.connect(conninfo)
    connection.autocommit = True
    with connection.cursor() as cursor:
        while True:
            count[0] += 1
            cursor.execute(INSERT, (f"{prefix}-{count[0]}",))
            say(port=cursor.fetchone()[0])
            time.sleep(pause)
            if style == "fresh":
                break
    connection.close()


count = [0]
while True:
    try:
        session()
    except psycopg2.Error as error:
        say(error=error.pgcode or "lost", words=" ".join(str(error).split())[:200])
        time.sleep(pause)
