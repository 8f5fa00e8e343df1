//! The description of the API and the routes are the same.

use http::Method;
use serde_json::Value;

use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_described_is_there_and_nothing_else() {
    let world = World::start().await;
    let described = world.get("/openapi.json").await;
    assert_eq!(described["openapi"], "3.1.0");
    for (path, item) in described["paths"].as_object().unwrap() {
        let concrete = path.replace("{id}", "x").replace("{sku}", "mate").replace("{customer}", "ana");
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let is_described = item.get(method.as_str().to_lowercase()).is_some();
            let answer = world.ask(method.clone(), &concrete, None, "").await;
            let code = answer.json::<Value>().unwrap()["code"].clone();
            assert_ne!(code, "unknown-path", "{method} {path}");
            assert_eq!(code != "unknown-method", is_described, "{method} {path}: {code}");
        }
    }
    every_reference_leads_somewhere(&described, &described);
    let routes: [(&[(&str, &str)], &str); 3] = [
        (mamparo_shop_orders::ROUTES, "orders"),
        (mamparo_shop_payments::ROUTES, "payments"),
        (mamparo_shop_inventory::ROUTES, "inventory"),
    ];
    for (routes, service) in routes {
        for (method, path) in routes {
            let there = described["paths"][path].get(method.to_lowercase());
            assert!(there.is_some(), "{method} {path} of {service} is not described");
        }
    }
    let count: usize = routes.iter().map(|(routes, _)| routes.len()).sum();
    let operations =
        described["paths"].as_object().unwrap().values().map(|item| item.as_object().unwrap().len());
    assert_eq!(operations.sum::<usize>(), count);
    world.stop().await;
}

fn every_reference_leads_somewhere(whole: &Value, part: &Value) {
    match part {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                assert!(whole.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
            }
            members.values().for_each(|member| every_reference_leads_somewhere(whole, member));
        }
        Value::Array(items) => items.iter().for_each(|item| every_reference_leads_somewhere(whole, item)),
        _ => {}
    }
}
