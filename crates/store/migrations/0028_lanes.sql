-- What one destination was told is listed from what is pending and from what is settled. So an alert that goes to many
-- destinations is not filed under each of them before its sender hears that it is kept.
DROP INDEX deliveries_of_destination;
CREATE INDEX deliveries_settled ON deliveries (destination, id) WHERE state > 0;
