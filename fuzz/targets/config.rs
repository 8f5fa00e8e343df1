//! The text of a configuration file. Everything that is wrong with it has a place in it, and both readers of YAML read
//! the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mamparo_config::limits::PROBLEMS_MAX;
use mamparo_config::{check, fuzzing};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some((plain, general)) = fuzzing::both_readings(text) {
        assert_eq!(plain, general);
    }
    match check(text, "mamparo.yaml") {
        Ok(config) => {
            assert_eq!(check(text, "mamparo.yaml").as_ref(), Ok(&config));
            serde_json::to_string(&config).unwrap();
        }
        Err(problems) => {
            assert!(!problems.is_empty() && problems.len() <= PROBLEMS_MAX);
            // A carriage return alone ends a line, too, as YAML has it.
            let text_of_lines = text.replace("\r\n", "\n").replace('\r', "\n");
            let lines: Vec<&str> = text_of_lines.split('\n').collect();
            for problem in problems {
                let line = usize::try_from(problem.line).unwrap().checked_sub(1).and_then(|at| lines.get(at));
                let line = line.unwrap_or_else(|| panic!("no such line: {problem}"));
                let columns = 1..=line.chars().count() as u64 + 1;
                assert!(columns.contains(&problem.column), "no such column: {problem}");
                assert!(!problem.message.is_empty());
                let _ = problem.excerpt(text);
            }
        }
    }
});
