//! More than anybody needs: bodies of 10 MB, headers of 1 MB, and a client that we did not write.

use std::process::Command;

use super::wire::{Wire, ask, order, orders_of, written};
use crate::shop::Shop;

const BODY: usize = 10 * 1024 * 1024;

/// An order that is one body of so many bytes.
fn padded(bytes: usize) -> String {
    let order = order("ana");
    format!("{}{order}", " ".repeat(bytes - order.len()))
}

#[test]
fn too_much_is_refused_and_the_next_request_is_served() {
    let shop = Shop::new();
    let _up = shop.open();
    let key = ("idempotency-key", "large");
    // Announced, it is refused before its first byte; the client may send it all the same.
    let head =
        written("POST", "/orders", &[key], "").replace("content-length: 0", "content-length: 10485760");
    let mut announced = Wire::to(&shop);
    announced.send(&head);
    announced.answer().is_problem(413, "body-too-large");
    let mut insisting = Wire::to(&shop);
    insisting.send(&head);
    insisting.send_what_is_taken(padded(BODY).as_bytes());
    insisting.answer().is_problem(413, "body-too-large");
    // Not announced, it is refused when it is too much.
    let mut chunked = Wire::to(&shop);
    chunked.send(head.replace("content-length: 10485760", "transfer-encoding: chunked"));
    for _ in 0..BODY / 65_536 {
        chunked.send_what_is_taken(format!("10000\r\n{}\r\n", " ".repeat(65_536)).as_bytes());
    }
    chunked.send_what_is_taken(b"0\r\n\r\n");
    chunked.answer().is_problem(413, "body-too-large");
    // What the gateway lets through is still too much for the service, on a connection that goes on.
    let mut service = Wire::to(&shop);
    for bytes in [64 * 1024 + 1, 1024 * 1024] {
        service.send(written("POST", "/orders", &[key], &padded(bytes)));
        service.answer().is_problem(413, "body-too-large");
    }
    service.send(written("POST", "/orders", &[key], &order("ana")));
    assert_eq!(service.answer().status, 202);
    assert_eq!(orders_of(&shop, "ana"), 1);

    let large = "x".repeat(1024 * 1024);
    for request in [
        written("POST", "/orders", &[key, ("x-large", &large)], ""),
        written("POST", "/orders", &vec![("x-many", "1"); 5_000], ""),
    ] {
        let mut wire = Wire::to(&shop);
        wire.send_what_is_taken(request.as_bytes());
        wire.answer().is_problem(431, "header-too-large");
    }
    let mut wire = Wire::to(&shop);
    wire.send_what_is_taken(format!("GET /{large} HTTP/1.1\r\nhost: shop\r\n\r\n").as_bytes());
    wire.answer().is_problem(414, "target-too-long");
    let waste = "DELETE /orders HTTP/1.1\r\nhost: shop\r\n\r\n".repeat(500);
    let mut pipelined = Wire::to(&shop);
    pipelined.send(&waste);
    for _ in 0..500 {
        pipelined.answer().is_problem(405, "unknown-method");
    }
    assert_eq!(ask(&shop, written("GET", "/products", &[], "")).status, 200);
}

#[test]
fn curl_is_told_and_does_what_the_readme_says() {
    let shop = Shop::new();
    let _up = shop.open();
    let readme = include_str!("../../../../../README.md").replace("\\\n", " ");
    let line = |begin: &str| {
        let mut lines = readme.lines().filter_map(|line| line.trim_start().strip_prefix("$ "));
        let found = lines.find(|line| line.starts_with(begin));
        found
            .unwrap_or_else(|| panic!("the README has no `{begin}`"))
            .replace("127.0.0.1:8080", shop.address())
    };
    let run = |command: &str| {
        let output = Command::new("sh").arg("-c").arg(command).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    // The id that the README tells stands for the one that is answered.
    let location =
        |text: &str| text.lines().find_map(|line| line.strip_prefix("location: /orders/")).map(str::to_owned);
    let told = location(&readme).expect("the README shows an answer with its location");
    let placed = run(&line("curl -i -X POST"));
    assert!(placed.starts_with("HTTP/1.1 202 "), "{placed}");
    let id = location(&placed).unwrap();
    let look = line("curl 'http");
    assert!(look.contains(&told), "{look} looks at another order than {told}");
    let shown: serde_json::Value = serde_json::from_str(&run(&look.replace(&told, &id))).unwrap();
    assert_eq!((&shown["status"], &shown["id"]), (&"CONFIRMED".into(), &id.into()), "{shown}");
    let total = format!(r#""total":{}"#, shown["total"]);
    assert!(readme.contains(&total), "the README shows another total than {total}");

    // A client that waits to be told to go on, and one that does not say how much will come.
    let file = shop.path().join("large");
    std::fs::write(&file, padded(BODY)).unwrap();
    for header in ["expect: 100-continue", "transfer-encoding: chunked"] {
        let refused = run(&format!(
            "curl -s -i -X POST http://{}/orders -H 'idempotency-key: k-2' -H '{header}' --data-binary @{}",
            shop.address(),
            file.display()
        ));
        assert!(refused.contains("HTTP/1.1 413 ") && refused.contains("body-too-large"), "{refused}");
    }
    assert_eq!(orders_of(&shop, "ana"), 1);
}
