//! The alert rules and the dashboard in conf-examples/prometheus: they use what docs/metrics.md has, and what is used is a metric
//! by another test. That they are valid, and that the alerts fire, `tests/machine/alerts.rs` shows with Prometheus's own tool.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

/// Labels that Prometheus adds, and the one of buckets.
const OF_PROMETHEUS: [&str; 2] = ["instance", "le"];

/// What stands before a list of labels.
const BEFORE_LABELS: [&str; 3] = ["by", "on", "without"];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rules() -> String {
    read("conf-examples/prometheus/aliyun-eni-ipam.rules.yml")
}

fn dashboard() -> Value {
    serde_json::from_str(&read("conf-examples/prometheus/dashboard.json")).unwrap()
}

/// The metrics of docs/metrics.md, by all names that their samples have, with their labels.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let page = read("docs/metrics.md");
    let mut found = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| `aliyun_eni_ipam_")) {
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().replace('`', "")).collect();
        let labels: BTreeSet<_> =
            cells[2].split(", ").filter(|label| !label.is_empty()).map(str::to_owned).collect();
        let suffixes: &[&str] = if cells[3] == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        for suffix in suffixes {
            found.insert(format!("{}{suffix}", cells[1]), labels.clone());
        }
    }
    assert!(found.len() >= 15, "{found:?}");
    found
}

/// Every expression of the dashboard.
fn expressions_of(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match (key.as_str(), value) {
                    ("expr", Value::String(text)) => found.push(text.clone()),
                    ("definition", Value::String(text)) => {
                        let inner = text.strip_prefix("label_values(").unwrap().split(',').next().unwrap();
                        found.push(inner.to_owned());
                    }
                    _ => expressions_of(value, found),
                }
            }
        }
        Value::Array(values) => {
            for value in values {
                expressions_of(value, found);
            }
        }
        _ => {}
    }
}

/// Every expression of the rules and the dashboard.
fn expressions() -> Vec<String> {
    let mut found = Vec::new();
    expressions_of(&dashboard(), &mut found);
    assert!(found.len() > 25, "{found:?}");
    let of_rules: Vec<_> =
        rules().lines().filter_map(|line| line.trim().strip_prefix("expr: ").map(str::to_owned)).collect();
    assert_eq!(of_rules.len(), rules().matches("- alert: ").count());
    found.extend(of_rules);
    found
}

/// The words of an expression, and each other character that is no space. Texts in quotes are left out.
fn tokens(expression: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for (number, part) in expression.split('"').enumerate() {
        let mut word = String::new();
        for c in part.chars().filter(|_| number % 2 == 0).chain([' ']) {
            if c.is_ascii_alphanumeric() || matches!(c, '_' | '$') {
                word.push(c);
                continue;
            }
            tokens.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            tokens.extend((c != ' ').then(|| c.to_string()));
        }
    }
    tokens
}

/// What an expression names that does not exist.
fn unknown(expression: &str, documented: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let tokens = tokens(expression);
    let named: Vec<_> = tokens.iter().filter(|it| it.starts_with("aliyun_eni_ipam_")).collect();
    let mut unknown: Vec<String> =
        named.iter().filter(|name| !documented.contains_key(**name)).map(ToString::to_string).collect();
    let all: BTreeSet<&str> =
        named.iter().filter_map(|name| documented.get(*name)).flatten().map(String::as_str).collect();
    let mut at = 0;
    while at < tokens.len() {
        let of_metric =
            documented.get(&tokens[at]).filter(|_| tokens.get(at + 1).is_some_and(|it| it == "{"));
        let is_list = BEFORE_LABELS.contains(&tokens[at].as_str());
        if of_metric.is_none() && !is_list {
            at += 1;
            continue;
        }
        // In braces a label stands before an operator, in a list alone.
        let end = if is_list { ")" } else { "}" };
        let inner: Vec<_> = tokens[at + 2..].iter().take_while(|it| *it != end).collect();
        at += 2 + inner.len();
        let labels = inner.iter().filter(|it| it.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
        for label in labels {
            let known = match of_metric {
                Some(labels) => labels.contains(label.as_str()),
                None => all.contains(label.as_str()),
            };
            if !known && !OF_PROMETHEUS.contains(&label.as_str()) {
                unknown.push((*label).clone());
            }
        }
    }
    unknown
}

#[test]
fn the_rules_and_the_dashboard_use_only_metrics_and_labels_that_are_documented() {
    let documented = documented();
    for expression in expressions() {
        let unknown = unknown(&expression, &documented);
        assert!(unknown.is_empty(), "{expression} uses {unknown:?}");
    }
}

#[test]
fn an_unknown_metric_or_label_would_be_seen() {
    let documented = documented();
    for (expression, expected) in [
        ("sum(rate(aliyun_eni_ipam_calls_total[5m]))", "aliyun_eni_ipam_calls_total"),
        ("aliyun_eni_ipam_records{status=\"active\"} > 0", "status"),
        ("sum by (eni) (aliyun_eni_ipam_records)", "eni"),
        (
            "aliyun_eni_ipam_eni_full == 1 unless on (instance, node) aliyun_eni_ipam_reserved_addresses",
            "node",
        ),
        ("aliyun_eni_ipam_call_duration_seconds", "aliyun_eni_ipam_call_duration_seconds"),
    ] {
        assert_eq!(unknown(expression, &documented), [expected], "{expression}");
    }
}

#[test]
fn every_metric_is_on_the_dashboard_or_in_an_alert() {
    let all = expressions().join(" ");
    for name in documented().keys() {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|it| name.strip_suffix(it)).unwrap_or(name);
        assert!(all.contains(base), "nobody looks at {name}");
    }
}

#[test]
fn each_alert_says_what_to_run_and_is_documented_and_tested() {
    let (rules, page, tests) = (rules(), read("docs/metrics.md"), read("tests/machine/alerts.test.yml"));
    let alerts: Vec<_> = rules.split("- alert: ").skip(1).collect();
    assert!(alerts.len() >= 8);
    for alert in alerts {
        let name = alert.lines().next().unwrap();
        for part in ["severity: ", "summary: ", "`aliyun-eni-ipam ", "docs/runbook.md"] {
            assert!(alert.contains(part), "{name} has no {part}");
        }
        assert!(page.contains(&format!("| {name} |")), "docs/metrics.md does not tell of {name}");
        assert!(tests.matches(name).count() >= 2, "{name} is not tested on and beyond its boundary");
    }
}

#[test]
fn the_panels_of_the_dashboard_do_not_overlap_and_have_a_source() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in panels {
        let side = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        let (x, y) = (side("x"), side("y"));
        assert!(x + side("w") <= 24, "{panel:#}");
        for place in (x..x + side("w")).flat_map(|x| (y..y + side("h")).map(move |y| (x, y))) {
            assert!(taken.insert(place), "{} is over another", panel["title"]);
        }
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{}", panel["title"]);
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}");
        }
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<_> = variables.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "instance"]);
}
