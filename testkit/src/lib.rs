//! World: a whole hub on a virtual clock, with scripted receivers and faults.
