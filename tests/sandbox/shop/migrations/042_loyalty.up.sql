-- Loyalty points for orders; the price in the catalogue becomes a list price, since points may lower it.
ALTER TABLE products RENAME COLUMN price_cents TO list_price_cents;
ALTER TABLE orders ADD COLUMN loyalty_points integer NOT NULL DEFAULT 0;

CREATE TABLE loyalty_accounts (
    customer_id integer PRIMARY KEY,
    points      integer NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now()
);
