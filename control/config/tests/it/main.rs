//! What a person who writes a configuration file meets.

mod bad_files;
mod entrance;
mod good_files;
mod next_versions;
mod other_files;
mod routes;
