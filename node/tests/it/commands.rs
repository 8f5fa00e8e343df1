//! Commands that need nothing that runs.

use std::fs;

use crate::world::World;

#[test]
fn check_names_the_place_and_the_likely_word() {
    let world = World::new("  {}");
    fs::write(world.path().join("bad.yaml"), "version: 1\nservices: {orders: {address: '127.0.0.1:1'}}\ngateway:\n  routes:\n    - {match: {path: /orders}, service: ordes, publik: true}\n").unwrap();
    let ended = world.run(&["check", "bad.yaml"]);
    assert_eq!((ended.code(), ended.stdout()), (3, String::new()));
    let talk = ended.stderr();
    assert!(
        talk.contains(
            "bad.yaml:5:48: gateway.routes[0].publik: unknown key `publik`; did you mean `public`?"
        ),
        "{talk}"
    );
    assert!(talk.contains("error[MP-0001]") && talk.contains("mamparo explain MP-0001"), "{talk}");
    assert!(!talk.contains('\x1b'), "colours are only for a terminal");

    let ended = world.run(&["check", "bad.yaml", "--json"]);
    let problems: serde_json::Value = serde_json::from_str(&ended.stdout()).unwrap();
    assert_eq!((ended.code(), &problems[0]["line"], &problems[0]["column"]), (3, &5.into(), &48.into()));

    let ended = world.run(&["check", "mamparo.yaml"]);
    assert_eq!((ended.code(), ended.stdout().contains("is sound")), (0, true), "{}", ended.stderr());
    assert_eq!(world.run(&["check", "none.yaml"]).code(), 3);
}

#[test]
fn every_error_can_be_explained() {
    let world = World::new("  {}");
    let page = world.run(&["explain", "mp-0002"]);
    assert!(page.stdout().starts_with("# MP-0002: an address is in use"), "{}", page.stdout());
    assert_eq!(world.run(&["explain", "2"]).stdout(), page.stdout());
    assert_eq!(world.run(&["explain", "MP-9999"]).code(), 9);
    let list = world.run(&["explain", "--json"]).stdout();
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list[0]["code"], "MP-0001");
}

#[test]
fn the_manual_comes_out_of_the_program() {
    let world = World::new("  {}");
    assert!(
        world.run(&["reference", "config"]).stdout().contains("### `")
            || world.run(&["reference", "config"]).stdout().contains("## `gateway`")
    );
    let schema: serde_json::Value =
        serde_json::from_str(&world.run(&["reference", "schema"]).stdout()).unwrap();
    assert_eq!(schema["title"], "File");
    let cli = world.run(&["reference", "cli"]).stdout();
    for part in ["## `mamparo up`", "## `mamparo saga cancel`", "Exit codes:", "Examples:"] {
        assert!(cli.contains(part), "{part} is missing in\n{cli}");
    }
    assert!(!cli.contains("tether"), "what only the supervisor calls is not part of the manual");
    for shell in ["bash", "zsh", "fish"] {
        assert!(world.run(&["completions", shell]).stdout().contains("dead-letter"), "{shell}");
    }
}

#[test]
fn a_command_that_asks_nobody_says_so() {
    let world = World::new("  {}");
    for arguments in [["saga", "list"], ["queue", "list"], ["outbox", "status"], ["stream", "list"]] {
        let ended = world.run(&arguments);
        assert_eq!((ended.code(), ended.stdout()), (8, String::new()), "{arguments:?}");
        assert!(ended.stderr().contains("MP-0007"), "{}", ended.stderr());
    }
    assert_eq!(world.run(&["sagas"]).code(), 2);
    assert!(world.run(&["--help"]).stdout().contains("Exit codes:"));
}
