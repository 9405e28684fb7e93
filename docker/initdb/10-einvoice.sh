#!/usr/bin/env bash
# The application's database: einvoice, owned by admin_user, used by beaconx_app. Runs once, on the new primary; the
# standbys get it with the clone. A witness is a cluster of its own, without applications.
set -euo pipefail

if [ "${REPMGR_NODE_TYPE:-data}" = witness ]; then exit 0; fi
: "${ADMIN_USER_PASSWORD:?is the password of the role admin_user}"
: "${BEACONX_APP_PASSWORD:?is the password of the role beaconx_app}"

# \getenv: a password on psql's command line could be read in the list of processes.
psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --dbname postgres <<'SQL'
\getenv admin_password ADMIN_USER_PASSWORD
\getenv app_password BEACONX_APP_PASSWORD
CREATE ROLE admin_user LOGIN PASSWORD :'admin_password';
CREATE ROLE beaconx_app LOGIN PASSWORD :'app_password';
CREATE DATABASE einvoice OWNER admin_user;

\connect einvoice
SET ROLE admin_user;
-- What admin_user creates later, by a migration for instance, beaconx_app can use.
ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO beaconx_app;
ALTER DEFAULT PRIVILEGES GRANT USAGE, SELECT ON SEQUENCES TO beaconx_app;

CREATE TABLE invoices (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  number text NOT NULL UNIQUE,
  customer text NOT NULL,
  amount_cents bigint NOT NULL CHECK (amount_cents >= 0),
  -- The server that executed the INSERT: it tells later which node a row was written on.
  node text NOT NULL DEFAULT current_setting('cluster_name'),
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE invoice_lines (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  invoice_id bigint NOT NULL REFERENCES invoices ON DELETE CASCADE,
  position integer NOT NULL,
  description text NOT NULL,
  amount_cents bigint NOT NULL CHECK (amount_cents >= 0),
  UNIQUE (invoice_id, position)
);
SQL
