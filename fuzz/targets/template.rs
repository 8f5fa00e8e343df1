//! A JSON body that is put together anew. The first line is the template, the rest is the body of a stranger: what comes
//! out is JSON, whatever the body holds.
#![no_main]

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use mamparo_transform::template::{BodyTemplateConfig, Template};
use mamparo_transform::{Variable, Variables};
use serde::de::IgnoredAny;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let (first, body) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Ok(text) = serde_json::from_slice::<Value>(first) else { return };
    let config = BodyTemplateConfig { body: text, ..BodyTemplateConfig::default() };
    let Ok(template) = Template::new(&config) else { return };
    let mut headers = HeaderMap::new();
    headers.insert("x-user", HeaderValue::from_static("a\"\\b"));
    match template.render(body, &headers, &Known) {
        Ok(rendered) => {
            // By its grammar: what a text escapes, and how large a number is, is the stranger's own affair.
            let read = serde_json::from_slice::<IgnoredAny>(&rendered);
            read.unwrap_or_else(|error| panic!("{error}: {rendered:?}"));
            if config.body == "{body}" {
                let [before, after] =
                    [body, &rendered].map(|text| serde_json::from_slice::<Value>(text).ok());
                assert_eq!(before, after);
            }
        }
        Err(_) => assert!(serde_json::from_slice::<Value>(body).is_err() || first.contains(&b'{')),
    }
});

/// What a client may have chosen.
struct Known;

impl Variables for Known {
    fn value(&self, _: Variable<'_>) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed("\u{7}\"}{\u{1f600}"))
    }
}
