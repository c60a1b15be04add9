//! The alert rules and the dashboard of conf-examples/prometheus, judged by Prometheus's own tool: alerts fire on the very file that
//! the plugin writes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use harness::{Effect, Fault, Need, Node};
use serde_json::{Value, json};

use crate::node;

harness::tests! {
    needs [Need::Promtool]:
        each_alert_fires_beyond_its_boundary_and_not_on_it,
        every_expression_of_the_dashboard_is_one,
        a_release_that_ecs_does_not_confirm_fires_the_alert_on_the_oldest_release,
        an_action_that_ecs_denies_fires_an_alert_until_it_is_allowed,
        adds_that_fail_on_a_full_eni_fire_alerts;
}

const ASSIGN: &str = "AssignPrivateIpAddresses";
const UNASSIGN: &str = "UnassignPrivateIpAddresses";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rules() -> PathBuf {
    root().join("conf-examples/prometheus/aliyun-eni-ipam.rules.yml")
}

fn promtool(arguments: &[&str], stdin: Option<&Path>) -> Output {
    let mut command = Command::new("promtool");
    if let Some(stdin) = stdin {
        command.stdin(File::open(stdin).unwrap());
    }
    command.args(arguments).output().unwrap()
}

#[track_caller]
fn accepts(arguments: &[&str], stdin: Option<&Path>) {
    let output = promtool(arguments, stdin);
    let said = [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned()).concat();
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
}

fn each_alert_fires_beyond_its_boundary_and_not_on_it() {
    accepts(&["check", "rules", rules().to_str().unwrap()], None);
    accepts(&["test", "rules", root().join("tests/machine/alerts.test.yml").to_str().unwrap()], None);
}

fn expressions_of(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("expr").and_then(Value::as_str).map(str::to_owned));
            for value in members.values() {
                expressions_of(value, found);
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

fn every_expression_of_the_dashboard_is_one() {
    let dashboard = fs::read_to_string(root().join("conf-examples/prometheus/dashboard.json")).unwrap();
    let mut found = Vec::new();
    expressions_of(&serde_json::from_str(&dashboard).unwrap(), &mut found);
    assert!(found.len() > 20, "{found:?}");
    let rules: Vec<_> = found
        .iter()
        .enumerate()
        .map(|(number, expression)| {
            // As Grafana does.
            let expression = expression.replace("$__rate_interval", "5m").replace("$instance", ".+");
            json!({"record": format!("dashboard:expression{number}"), "expr": expression})
        })
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rules.json");
    fs::write(&file, json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string()).unwrap();
    accepts(&["check", "rules", file.to_str().unwrap()], None);
}

fn with_metrics() -> Node {
    let mut node = node();
    node.set("metricsFile", file(&node).to_str().unwrap());
    node
}

fn file(node: &Node) -> PathBuf {
    node.directory().join("aliyun_eni_ipam.prom")
}

/// The samples of the file, as it is scraped every minute. The clock of promtool begins at 0, so the moment of writing is 0 here.
fn samples(text: &str) -> Vec<(String, String)> {
    let written =
        text.lines().find_map(|line| line.strip_prefix("aliyun_eni_ipam_written_timestamp_seconds "));
    let written: i64 = written.unwrap().parse().unwrap();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|sample| {
            let (series, value) = sample.rsplit_once(' ').unwrap();
            let (name, labels) = series.trim_end_matches('}').split_once('{').unwrap_or((series, ""));
            let separator = if labels.is_empty() { "" } else { "," };
            let series = format!("{name}{{{labels}{separator}instance=\"node-1\"}}");
            let value = value.parse::<f64>().unwrap();
            if name.ends_with("_timestamp_seconds") {
                #[expect(clippy::cast_possible_truncation, reason = "whole seconds")]
                let after = value as i64 - written;
                return (series, after.to_string());
            }
            (series, value.to_string())
        })
        .collect()
}

/// Expects that exactly these alerts fire this many minutes after the file was written: `before` for five minutes, then `text`.
#[track_caller]
fn expect_alerts(before: &str, text: &str, minutes: u32, expected: &[&str]) {
    let old: Vec<_> = samples(before);
    let value_before = |series: &str| {
        old.iter().find(|(its, _)| its == series).map_or("_".to_owned(), |(_, value)| value.clone())
    };
    let series: Vec<_> = samples(text)
        .into_iter()
        .map(|(series, value)| {
            let before = value_before(&series);
            json!({"series": series, "values": format!("{before}x4 {value}x60")})
        })
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|name| json!({"labels": format!("{{alertname=\"{name}\"}}"), "value": 1}))
        .collect();
    let document = json!({
        "rule_files": [rules()],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": [{
            "expr": "max by (alertname) (ALERTS{alertstate=\"firing\"})",
            "eval_time": format!("{minutes}m"),
            "exp_samples": expected,
        }]}],
    });
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("test.json");
    fs::write(&file, document.to_string()).unwrap();
    accepts(&["test", "rules", file.to_str().unwrap()], None);
}

fn a_release_that_ecs_does_not_confirm_fires_the_alert_on_the_oldest_release() {
    let node = with_metrics();
    let _ = node.add("c0").address();
    let before = fs::read_to_string(file(&node)).unwrap();
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("ServiceUnavailable")));
    node.del("c0").ok();
    accepts(&["check", "metrics"], Some(&file(&node)));
    let outage = fs::read_to_string(file(&node)).unwrap();
    expect_alerts(&before, &outage, 14, &[]);
    expect_alerts(&before, &outage, 16, &["AliyunEniIpamOldestRelease", "AliyunEniIpamReleasesFailing"]);
    node.cloud.clear_faults();
    assert_eq!(node.operator(&["flush"]).status(), 0);
    accepts(&["check", "metrics"], Some(&file(&node)));
    expect_alerts(&outage, &fs::read_to_string(file(&node)).unwrap(), 16, &[]);
}

fn an_action_that_ecs_denies_fires_an_alert_until_it_is_allowed() {
    let node = with_metrics();
    let (_, _) = (node.add("c0").address(), node.add("c1").address());
    // From here on the action is known.
    node.del("c1").ok();
    let before = fs::read_to_string(file(&node)).unwrap();
    node.cloud.inject(Fault::on(UNASSIGN).effect(Effect::code("Forbidden.RAM")));
    node.del("c0").ok();
    let denied = fs::read_to_string(file(&node)).unwrap();
    expect_alerts(&before, &denied, 4, &[]);
    expect_alerts(&before, &denied, 12, &["AliyunEniIpamDenied"]);
    node.cloud.clear_faults();
    assert_eq!(node.operator(&["flush"]).status(), 0);
    expect_alerts(&denied, &fs::read_to_string(file(&node)).unwrap(), 12, &[]);
}

fn adds_that_fail_on_a_full_eni_fire_alerts() {
    let node = with_metrics();
    let _ = node.add("c0").address();
    let before = fs::read_to_string(file(&node)).unwrap();
    node.cloud.inject(Fault::on(ASSIGN).effect(Effect::code("QuotaExceeded.PrivateIpAddress")));
    let _ = node.add("c1").error(112);
    let full = fs::read_to_string(file(&node)).unwrap();
    expect_alerts(&before, &full, 12, &["AliyunEniIpamAddErrors", "AliyunEniIpamEniFull"]);
}
