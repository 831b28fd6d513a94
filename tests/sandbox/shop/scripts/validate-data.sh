#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Checks that the shop's data belong together, on any schema from 40 on; connects by the PG* variables.
# One line per assertion; exit status 0 if all hold, 1 if one does not, 2 if the database cannot be asked.
set -euo pipefail

command -v psql >/dev/null || { echo "psql is missing: apt-get install postgresql-client" >&2; exit 2; }

# Rows (assertion|rows that break it).
results="$(psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 <<'SQL'
SELECT to_regclass('loyalty_accounts') IS NOT NULL AS loyalty \gset
\set price price_cents
\if :loyalty
\set price list_price_cents
\endif
SELECT 'every order is of a customer', count(*) FROM orders o LEFT JOIN customers c ON c.id = o.customer_id WHERE c.id IS NULL;
SELECT 'every order is of a product', count(*) FROM orders o LEFT JOIN products p ON p.id = o.product_id WHERE p.id IS NULL;
SELECT 'every session is of a customer', count(*) FROM sessions s LEFT JOIN customers c ON c.id = s.customer_id WHERE c.id IS NULL;
SELECT 'every session ends after it began', count(*) FROM sessions WHERE expires_at <= created_at;
SELECT 'every order has a quantity', count(*) FROM orders WHERE quantity < 1;
SELECT 'every total is price times quantity', count(*) FROM orders o JOIN products p ON p.id = o.product_id WHERE o.total_cents <> p.:price * o.quantity;
SELECT 'every product has a price', count(*) FROM products WHERE :price <= 0;
SELECT 'there are products', (count(*) = 0)::integer FROM products;
\if :loyalty
SELECT 'every account has the points of its orders', count(*) FROM loyalty_accounts l
WHERE points <> (SELECT coalesce(sum(loyalty_points), 0) FROM orders o WHERE o.customer_id = l.customer_id);
\endif
SQL
)" || { echo "validate-data.sh: cannot ask ${PGDATABASE:-?} on ${PGHOST:-?}:${PGPORT:-5432}" >&2; exit 2; }

failed=0
while IFS='|' read -r assertion rows; do
    if [[ "$rows" == 0 ]]; then
        printf 'ok    %s\n' "$assertion"
    else
        printf 'FAIL  %s: %s rows do not\n' "$assertion" "$rows"
        failed=1
    fi
done <<<"$results"
exit "$failed"
