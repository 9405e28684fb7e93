-- Demo data: 500 invoices with three lines each. Can be run as often as one likes.
\set ON_ERROR_STOP on
BEGIN;
WITH added AS (
  INSERT INTO invoices (number, customer, amount_cents, created_at)
  SELECT format('DEMO-%s', lpad(n::text, 4, '0')),
         (ARRAY['Alder & Sons', 'Birch Bakery', 'Cedar Cycles', 'Dogwood Dairy', 'Elm Electrics'])[1 + n % 5],
         3 * (1000 + n),
         now() - make_interval(hours => 501 - n)
    FROM generate_series(1, 500) AS n
  ON CONFLICT (number) DO NOTHING
  RETURNING id, amount_cents
)
INSERT INTO invoice_lines (invoice_id, position, description, amount_cents)
SELECT id, position, format('Item %s', position), amount_cents / 3
  FROM added CROSS JOIN generate_series(1, 3) AS position;
COMMIT;
SELECT count(*) AS demo_invoices, current_setting('cluster_name') AS seen_on FROM invoices WHERE number LIKE 'DEMO-%';
