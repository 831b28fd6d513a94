# SPDX-License-Identifier: GPL-3.0-or-later
"""The SQL of the shop, as each schema wants it: a release that meets another schema fails on a missing column."""

from __future__ import annotations

from dataclasses import dataclass

LOGIN = "SELECT id, password_hash FROM customers WHERE email = %(email)s"
START_SESSION = """
    INSERT INTO sessions (token_hash, customer_id, expires_at)
    VALUES (%(token_hash)s, %(customer)s, now() + make_interval(secs => %(seconds)s))
"""
CUSTOMER_OF_SESSION = "SELECT customer_id FROM sessions WHERE token_hash = %(token_hash)s AND expires_at > now()"


@dataclass(frozen=True)
class Queries:
    """Statements for one schema.

    ``products``: rows (sku, name, price in cents); ``order``: one row (order id, total in cents), no row for an unknown
    sku; ``reward``: run after an order, or empty; ``check``: names every column that the release relies on.
    """

    products: str
    order: str
    check: str
    reward: str = ""


BY_SCHEMA = {
    40: Queries(
        products="SELECT sku, title, price_cents FROM products ORDER BY sku LIMIT %(limit)s",
        order="""
            INSERT INTO orders (customer_id, product_id, quantity, total_cents)
            SELECT %(customer)s, id, %(quantity)s, price_cents * %(quantity)s FROM products WHERE sku = %(sku)s
            RETURNING id, total_cents
        """,
        check="SELECT p.title, p.price_cents, o.total_cents FROM products p LEFT JOIN orders o ON false LIMIT 1",
    ),
    41: Queries(
        products="SELECT sku, name, price_cents FROM products ORDER BY sku LIMIT %(limit)s",
        order="""
            INSERT INTO orders (customer_id, product_id, quantity, total_cents, currency)
            SELECT %(customer)s, id, %(quantity)s, price_cents * %(quantity)s, %(currency)s
            FROM products WHERE sku = %(sku)s
            RETURNING id, total_cents
        """,
        check="SELECT p.name, p.price_cents, o.currency FROM products p LEFT JOIN orders o ON false LIMIT 1",
    ),
    42: Queries(
        products="SELECT sku, name, list_price_cents FROM products ORDER BY sku LIMIT %(limit)s",
        order="""
            INSERT INTO orders (customer_id, product_id, quantity, total_cents, currency, loyalty_points)
            SELECT %(customer)s, id, %(quantity)s, list_price_cents * %(quantity)s, %(currency)s,
                   list_price_cents * %(quantity)s * %(rate)s / 100
            FROM products WHERE sku = %(sku)s
            RETURNING id, total_cents
        """,
        reward="""
            INSERT INTO loyalty_accounts (customer_id, points)
            SELECT customer_id, loyalty_points FROM orders WHERE id = %(order)s
            ON CONFLICT (customer_id)
            DO UPDATE SET points = loyalty_accounts.points + excluded.points, updated_at = now()
        """,
        check="SELECT p.list_price_cents, o.loyalty_points FROM products p LEFT JOIN orders o ON false LIMIT 1",
    ),
}
