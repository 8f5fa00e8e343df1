//! `top` beside a gateway that serves.

use serde_json::Value;

use crate::services::{Hammer, answering};
use crate::world::World;

#[test]
fn top_shows_what_happens_just_now() {
    let one = answering("one");
    let world = World::new("  {}").with(&format!(
        "services: {{it: {{address: '{one}'}}}}\ngateway: {{routes: [{{match: {{path: /a}}, service: it, public: true}}]}}"
    ));
    assert_eq!(world.run(&["top", "--once"]).code(), 8, "nothing runs");
    let _node = world.node(&["--role", "gateway"]);
    let (good, bad) = (Hammer::start(world.gateway, "/a", 2), Hammer::start(world.gateway, "/none", 1));
    let ended = world.run(&["top", "--once", "--json", "--interval", "500ms"]);
    assert_eq!(ended.code(), 0, "{}", ended.stderr());
    let report: Value = serde_json::from_str(&ended.stdout()).unwrap();
    let routes = report["routes"].as_array().unwrap();
    let row = routes.iter().find(|row| row["route"] == "/a").unwrap();
    let number = |value: &Value| value.as_f64().unwrap();
    assert!(number(&row["requests_per_second"]) > 0.0, "{report:#}");
    assert!(number(&row["p50_ms"]) > 0.0 && number(&row["p99_ms"]) >= number(&row["p50_ms"]), "{report:#}");
    assert_eq!((number(&row["errors_per_second"]), number(&report["config"]["generation"])), (0.0, 1.0));
    assert!(number(&report["connections"]) >= 2.0, "{report:#}");
    assert!(number(&report["upstreams"][0]["requests_per_second"]) > 0.0, "{report:#}");

    let text = world.run(&["top", "--once", "--interval", "200ms"]).stdout();
    assert!(text.contains("req/s") && text.lines().any(|line| line.starts_with("/a ")), "{text}");
    assert!(!text.contains('\x1b'), "colours and other screens are only for a terminal");
    assert_eq!(world.run(&["top", "--once", "--interval", "1ms"]).code(), 2);
    let (answered, wrong) = good.stop();
    assert!(wrong.is_empty() && answered > 0, "{wrong:?}");
    bad.stop();
}
