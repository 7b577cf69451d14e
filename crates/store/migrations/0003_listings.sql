-- Listings and counts that stay quick over a long past.

-- With the state in it, what is active is counted without a look at the rows.
DROP INDEX incidents_active;
CREATE INDEX incidents_active ON incidents (id, state) WHERE state < 2;

-- What few rows are.
CREATE INDEX deliveries_pending ON deliveries (id) WHERE state = 0;
CREATE INDEX deliveries_buried ON deliveries (id) WHERE state = 3;

-- What one destination was told, however much others were.
CREATE INDEX deliveries_of_destination ON deliveries (destination, id);
CREATE INDEX inbox_of_destination ON inbox (destination, id);
