//! Any bytes as the rules of a policy.

use netscript::egress::policy::{Action, Attempt, Observed, Policy, Query, Rule, rules_of_file, rules_of_items};

/// Far above what the fuzzer makes.
const MOST: usize = 1 << 20;

/// Reads the input as a file and as parameters, reads again what was written of it, and judges by it.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let of_items = rules_of_items(Action::Deny, &text.split(',').collect::<Vec<_>>());
    for rules in [rules_of_file("input", input, MOST), of_items].into_iter().flatten() {
        let lines = |rules: &[Rule]| rules.iter().map(|rule| format!("{rule}\n")).collect::<String>();
        let written = lines(&rules);
        let again = rules_of_file("written", written.as_bytes(), usize::MAX);
        // A form with every escape may be longer than a line may be.
        if let Ok(again) = again {
            assert_eq!(lines(&again), written);
        } else {
            assert!(written.lines().any(|line| line.len() > 4096), "{written}");
        }
        let mut policy = Policy::new(rules);
        let mut attempt = Attempt::new([203, 0, 113, 9].into());
        (attempt.names, attempt.process) = (vec![text.to_string()], Some(text.to_string()));
        let query = Query { name: text.to_string(), process: None, container: None };
        for observed in [Observed::Attempt(attempt), Observed::Query(query)] {
            let _ = policy.judge(&observed).to_string();
            let _ = policy.learned(&[observed]);
        }
    }
}
