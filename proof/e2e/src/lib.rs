//! The whole, seen from outside; everything is in the tests.
