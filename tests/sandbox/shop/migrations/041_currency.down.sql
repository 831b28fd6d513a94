ALTER TABLE products RENAME COLUMN name TO title;
ALTER TABLE orders DROP COLUMN currency;
