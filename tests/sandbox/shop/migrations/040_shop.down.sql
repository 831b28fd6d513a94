DROP TABLE orders, products, sessions, customers;
