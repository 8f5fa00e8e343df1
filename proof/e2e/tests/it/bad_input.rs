//! Bad input, impatient clients and a world that breaks: every request is answered with a problem that says what is
//! wrong and nothing about the inside, and nothing that was acknowledged is lost.

mod bodies;
mod damage;
mod disk;
mod gone;
mod keys;
mod paths;
mod ports;
mod refused_start;
mod requests;
mod services;
mod slow;
mod smuggling;
mod wire;
