-- Orders know their currency; products speak of names as the rest of the house does.
ALTER TABLE orders ADD COLUMN currency char(3) NOT NULL DEFAULT 'EUR';
ALTER TABLE products RENAME COLUMN title TO name;
