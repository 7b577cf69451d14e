-- Test messages, apart from what else belongs to no group.
DROP INDEX deliveries_tests;
CREATE INDEX deliveries_tests ON deliveries (id) WHERE reason = 'test';
