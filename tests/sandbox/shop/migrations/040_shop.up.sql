-- The shop as it was when its migrations were first numbered together.
CREATE TABLE customers (
    id            integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email         text NOT NULL UNIQUE,
    password_hash text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE sessions (
    token_hash  text PRIMARY KEY,
    customer_id integer NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL
);

CREATE TABLE products (
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku         text NOT NULL UNIQUE,
    title       text NOT NULL,
    price_cents integer NOT NULL
);

CREATE TABLE orders (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id integer NOT NULL,
    product_id  integer NOT NULL,
    quantity    integer NOT NULL,
    total_cents bigint NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

INSERT INTO products (sku, title, price_cents)
SELECT format('%s-%s', upper(left(thing, 3)), lpad(number::text, 2, '0')), format('%s %s', colour, thing), price * 100 - 1
FROM (
    SELECT colour, thing, row_number() OVER (ORDER BY thing, colour) AS number,
           5 * row_number() OVER (ORDER BY thing, colour) AS price
    FROM unnest(ARRAY['Red', 'Blue', 'Green', 'Plain']) AS colour,
         unnest(ARRAY['cup', 'lamp', 'notebook', 'pen', 'scarf', 'umbrella']) AS thing
) AS catalogue;
