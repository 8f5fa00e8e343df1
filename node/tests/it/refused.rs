//! Starts that are refused, each with its code, its exit and what to do.

use std::fs;
use std::net::TcpListener;

use crate::world::World;

#[test]
fn an_address_in_use_is_named_with_its_key() {
    let world = World::new("  {}");
    let _taken = TcpListener::bind(world.gateway).unwrap();
    let ended = world.run(&["up"]);
    let talk = ended.stderr();
    assert_eq!(ended.code(), 4, "{talk}");
    assert!(talk.contains("error[MP-0002]") && talk.contains("listeners.gateway"), "{talk}");
    assert!(talk.contains(&world.gateway.to_string()), "{talk}");
}

#[test]
fn a_data_folder_that_cannot_be_written_is_named() {
    let world = World::new("  {}");
    // A folder below a file cannot be made by anybody, root included.
    fs::write(world.path().join("file"), "").unwrap();
    for verb in ["up", "run"] {
        let ended = world.run(&[verb, "--data", "file/data"]);
        let talk = ended.stderr();
        assert_eq!(ended.code(), 5, "{talk}");
        assert!(talk.contains("error[MP-0003]") && talk.contains("--data"), "{talk}");
    }
}

#[test]
fn a_damaged_database_stops_the_start() {
    let world = World::new("  {}");
    fs::create_dir_all(world.data().join("hub")).unwrap();
    fs::write(world.data().join("hub/hub.db"), "this is not a database, however one reads it".repeat(200))
        .unwrap();
    let ended = world.run(&["up"]);
    let talk = ended.stderr();
    assert_eq!(ended.code(), 7, "{talk}");
    assert!(talk.contains("error[MP-0005]") && talk.contains("error[MP-0008]"), "{talk}");
}

#[test]
fn a_program_that_is_not_there_stops_the_start() {
    let world = World::new("  lost: {command: [no-such-program]}");
    let ended = world.run(&["up"]);
    let talk = ended.stderr();
    assert_eq!(ended.code(), 3, "{talk}");
    assert!(talk.contains("cannot start `no-such-program`") && talk.contains("lost cannot run"), "{talk}");
}

#[test]
fn a_file_that_does_not_load_starts_nothing() {
    let world = World::new("  {}");
    fs::write(world.path().join("mamparo.yaml"), "version: 1\nrolse: [hub]\n").unwrap();
    let ended = world.run(&["up"]);
    assert_eq!(ended.code(), 3);
    assert!(ended.stderr().contains("did you mean `roles`?"), "{}", ended.stderr());
    assert!(!world.data().exists());
}
