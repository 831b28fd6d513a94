-- Lost by this: every loyalty account and the points of every order. Orders, products and sessions stay.
DROP TABLE loyalty_accounts;
ALTER TABLE orders DROP COLUMN loyalty_points;
ALTER TABLE products RENAME COLUMN list_price_cents TO price_cents;
