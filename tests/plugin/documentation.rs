//! README.md, docs/ and their neighbours: what is written there is true of the code, and every link leads somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::iter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aliyun_eni_ipam::inside::commands::command_line;
use aliyun_eni_ipam::inside::config::KEYS;
use clap::{Arg, Command};
use harness::{Effect, Fault, Node};
use serde_json::Value;

use crate::node;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every page for people, by its path from the root.
fn pages() -> Vec<PathBuf> {
    let pages = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "tests/README.md"];
    let of_developers = ["CONTRIBUTING.md", "RELEASING.md", "SECURITY.md"];
    let mut pages: Vec<PathBuf> = pages.into_iter().chain(of_developers).map(PathBuf::from).collect();
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        pages.push(Path::new("docs").join(entry.unwrap().file_name()));
    }
    // Beside the pages are the schemas.
    pages.retain(|page| page.extension().is_some_and(|it| it == "md"));
    pages
}

/// The lines outside fenced blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// The lines inside fenced blocks.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        fenced && !fence
    })
}

/// What stands between backticks in the prose.
fn code_spans(text: &str) -> Vec<&str> {
    prose(text).flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

/// The first cells of all table rows that begin with a code span, without the backticks.
fn rows(text: &str) -> Vec<(&str, &str)> {
    let row = |line| Some((str::strip_prefix(line, "| `")?.split_once('`')?.0, line));
    prose(text).filter_map(row).collect()
}

#[track_caller]
fn the_same(what: &str, written: &[&str], known: &BTreeSet<&str>) {
    assert_eq!(written.iter().copied().collect::<BTreeSet<_>>(), *known, "{what}");
    assert_eq!(written.len(), known.len(), "{what}: one has two rows");
}

#[test]
fn the_page_of_the_configuration_has_a_row_for_every_key_and_for_no_other() {
    let page = read("docs/configuration.md");
    let sources = ["default", "env", "file", "ecs-ram-role", "oidc", "uri"];
    let rows = rows(&page);
    let (of_sources, of_keys): (Vec<_>, Vec<_>) = rows.iter().partition(|(name, _)| sources.contains(name));
    the_same(
        "keys",
        &of_keys.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        &KEYS.iter().map(|key| key.name).collect(),
    );
    the_same(
        "sources of credentials",
        &of_sources.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        &sources.into(),
    );
    // A source that does not exist is refused, naming those that do.
    let text = node().with("credentials", serde_json::json!({"source": "?"})).add("c0").error(7);
    for source in sources {
        assert!(text.contains(&format!("{source:?}")), "{text}");
    }
}

/// The last cell of a row is the default in the very words of the table in the code.
#[track_caller]
fn expect_defaults(page: &str, text: &str) -> usize {
    let cell =
        |row: &str| row.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap_or_default().to_owned();
    let mut found = 0;
    for (name, row) in rows(text) {
        if let Some(key) = KEYS.iter().find(|key| key.name == name) {
            assert_eq!(cell(row), key.default, "{page} tells another default of {name}");
            found += 1;
        }
    }
    found
}

#[test]
fn every_page_tells_the_default_that_a_key_has() {
    assert_eq!(expect_defaults("docs/configuration.md", &read("docs/configuration.md")), KEYS.len());
    assert_eq!(expect_defaults("README.md", &read("README.md")), 12);
}

/// The numbers in `text` that `before` and `after` enclose.
fn numbers<'t>(text: &'t str, before: &str, after: char) -> BTreeSet<&'t str> {
    let rest = text.split(before).skip(1).filter_map(|rest| rest.split_once(after));
    rest.map(|(number, _)| number).filter(|it| it.bytes().all(|byte| byte.is_ascii_digit())).collect()
}

#[test]
fn the_page_of_errors_has_a_row_for_every_code_that_is_answered() {
    let page = read("docs/errors.md");
    let codes = prose(&page).filter_map(|line| Some(line.strip_prefix("| ")?.split_once(" |")?.0));
    let written: Vec<_> = codes.filter(|code| code.parse::<u32>().is_ok()).collect();
    let (known, own) = (read("src/cni/error.rs"), read("src/failure.rs"));
    let known = &numbers(&known, ": Self = Self(", ')') | &numbers(&own, "= Code(", ')');
    assert!(known.len() >= 18, "{known:?}");
    the_same("codes", &written, &known);
}

#[test]
fn the_page_of_errors_has_every_message_in_the_row_of_its_code_and_no_other() {
    let (page, failure) = (read("docs/errors.md"), read("src/failure.rs"));
    let row = |code: &str| prose(&page).find(|line| line.starts_with(&format!("| {code} |"))).unwrap();
    let mut count = 0;
    for (place, file, declared) in
        [("(code::", "src/failure.rs", ": Code = Code("), ("(Code::", "src/cni/error.rs", ": Self = Self(")]
    {
        let constants = read(file);
        // Pairs such as `(Code::IO, "the system has no randomness")`, however they are broken into lines.
        for (name, rest) in failure.split(place).skip(1).filter_map(|pair| pair.split_once(',')) {
            let message = rest.trim_start().strip_prefix('"').and_then(|it| it.split_once('"')).unwrap().0;
            let code = constants.split(&format!("const {name}{declared}")).nth(1).unwrap();
            let code = code.split(')').next().unwrap();
            let shown = row(code).contains(&format!("`{message}`"));
            assert!(shown, "docs/errors.md does not have `{message}` in the row of {code}");
            count += 1;
        }
    }
    assert!(count > 20, "only {count} messages were found");
    let sources: Vec<_> = rust_files(&root().join("src")).iter().map(read).collect();
    for line in prose(&page).filter(|line| line.starts_with("| ") && !line.starts_with("| code")) {
        for message in line.split(" | ").nth(1).unwrap().split('`').skip(1).step_by(2) {
            assert!(sources.iter().any(|source| source.contains(message)), "nothing says `{message}`");
        }
    }
}

#[test]
fn the_runbook_quotes_what_the_plugin_says() {
    let said = ["tests/plugin/on_call.txt", "tests/plugin/messages.txt", "docs/errors.md"].map(read).concat();
    let runbook = read("docs/runbook.md");
    // Commands, paths and links are checked elsewhere.
    let is_quote = |span: &&str| {
        span.contains(' ')
            && !["aliyun", "apt", "grep", "kubectl", "systemctl"].iter().any(|it| span.starts_with(it))
    };
    let quotes: Vec<_> = code_spans(&runbook).into_iter().filter(is_quote).collect();
    assert!(quotes.len() >= 5, "{quotes:?}");
    for quote in quotes {
        assert!(quote.split("...").all(|part| said.contains(part)), "nothing says `{quote}`");
    }
}

/// Every Rust file below a folder.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.append(&mut rust_files(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
    files
}

/// A node with an active and a releasing record, and with an orphan.
fn eventful_node() -> Node {
    let node = node();
    let _ = (node.add("c0").address(), node.add("c1").address());
    node.cloud.inject(Fault::on("UnassignPrivateIpAddresses").effect(Effect::code("Forbidden.RAM")));
    node.del("c0").ok();
    node.cloud.assign(Node::ENI, "192.168.0.99".parse().unwrap());
    node
}

#[test]
fn the_page_of_metrics_has_a_row_for_every_metric_with_its_labels() {
    let mut node = eventful_node();
    let path = node.directory().join("metrics.prom");
    node.set("metricsFile", path.to_str().unwrap());
    node.set("reserve", 1);
    node.reserve("192.168.0.77".parse().unwrap(), Duration::ZERO);
    assert_eq!(node.operator(&["flush"]).status(), 1);
    let _ = node.add("c2").address();
    node.cloud.inject(Fault::on("AssignPrivateIpAddresses").effect(Effect::code("Forbidden.RAM")));
    let _ = node.add("c3").any_error();
    node.reserve("192.168.0.78".parse().unwrap(), Duration::ZERO);
    node.del("c2").ok();
    let metrics = fs::read_to_string(path).unwrap();
    let types = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let types: BTreeMap<_, _> = types.collect();
    let mut known = BTreeSet::new();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let (name, labels) = line.split_once(['{', ' ']).unwrap();
        let labels = labels.split_once('}').map_or("", |(labels, _)| labels);
        let labels = labels.split(',').map(|label| label.split('=').next().unwrap());
        // A histogram is one metric with several names.
        let name = ["_bucket", "_sum", "_count"].iter().find_map(|it| name.strip_suffix(it)).unwrap_or(name);
        let labels = labels.filter(|label| *label != "le").collect::<Vec<_>>().join(", ");
        known.insert((name, labels, types[name]));
    }
    let page = read("docs/metrics.md");
    let written = rows(&page).into_iter().filter(|(name, _)| name.starts_with("aliyun_eni_ipam_"));
    let written: Vec<_> = written
        .map(|(name, row)| {
            let cells: Vec<_> = row.split('|').map(str::trim).collect();
            (name, cells[2].replace('`', ""), cells[3])
        })
        .collect();
    assert_eq!(written.iter().cloned().collect::<BTreeSet<_>>(), known);
    assert_eq!(written.len(), known.len());
    // Nothing else on the page names a metric that is not there.
    for span in code_spans(&page) {
        for word in span.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            assert!(!word.starts_with("aliyun_eni_ipam_") || types.contains_key(word), "{word}");
        }
    }
    // The classes of results are those that the file has of every action.
    let classes: BTreeSet<_> = metrics
        .lines()
        .filter(|line| line.starts_with("aliyun_eni_ipam_ecs_requests_total{"))
        .map(|line| line.split("result=\"").nth(1).unwrap().split('"').next().unwrap())
        .collect();
    let rows = rows(&page).into_iter().map(|(name, _)| name);
    the_same(
        "results of requests",
        &rows.filter(|name| !name.starts_with("aliyun_eni_ipam_")).collect::<Vec<_>>(),
        &classes,
    );
}

/// The kind of a value, and of what is in it: all keys of objects, and the first element of an array.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
        Value::Array(elements) => elements.first().map(shape).into_iter().collect(),
        Value::Null => Value::Null,
        scalar => if scalar.is_string() { "text" } else { "number" }.into(),
    }
}

/// Whether two shapes have the same keys everywhere. Where one has nothing, the other may have anything.
fn agree(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            one.keys().eq(other.keys()) && one.iter().all(|(key, value)| agree(value, &other[key]))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.iter().zip(other).all(|(one, other)| agree(one, other))
        }
        (Value::Null, _) | (_, Value::Null) => true,
        (one, other) => one == other,
    }
}

#[test]
fn the_page_of_commands_shows_the_json_that_each_command_prints() {
    let page = read("docs/commands.md");
    let documented = |command: &str| -> Value {
        let block = page.split(&format!("```json {command}\n")).nth(1);
        let block = block.unwrap_or_else(|| panic!("no JSON of {command}")).split("```").next().unwrap();
        serde_json::from_str(block).unwrap_or_else(|error| panic!("JSON of {command}: {error}"))
    };
    let node = eventful_node();
    let orphans = &node.operator(&["reconcile", "--json"]).json()["enis"][0]["orphans"];
    assert_eq!(*orphans, serde_json::json!(["192.168.0.99"]));
    let active = node.records().into_iter().find(|record| record.state() == "active").unwrap();
    let address = active.addresses().next().unwrap().to_string();
    for arguments in [&["list"][..], &["doctor"], &["reconcile"], &["flush"], &["release", &address, "--yes"]]
    {
        let printed = node.operator(&[arguments, &["--json"]].concat()).json();
        let (documented, printed) = (shape(&documented(arguments[0])), shape(&printed));
        assert!(agree(&documented, &printed), "{arguments:?}: {documented:#}\nbut it prints {printed:#}");
    }

    // What `reconcile` prints of a ghost, and of an address that a damaged file may name.
    let node = self::node();
    let ghost = node.add("c0").address();
    let record = fs::read_dir(node.store().join("active")).unwrap().next().unwrap().unwrap().path();
    let mut aged: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    aged["allocation"]["since"] = "2026-01-01T00:00:00.000Z".into();
    fs::write(record, aged.to_string()).unwrap();
    node.cloud.unassign(Node::ENI, ghost);
    node.cloud.assign(Node::ENI, "192.168.0.99".parse().unwrap());
    fs::create_dir(node.store().join("quarantine")).unwrap();
    fs::write(node.store().join("quarantine/active-c9.1"), "damaged").unwrap();
    let printed = node.operator(&["reconcile", "--json"]).json();
    for difference in ["ghosts", "undecided"] {
        assert_eq!(printed["enis"][0][difference].as_array().unwrap().len(), 1, "{printed:#}");
    }
    let documented = documented("reconcile");
    assert!(agree(&shape(&documented), &shape(&printed)), "{documented:#}\nbut it prints {printed:#}");
}

#[test]
fn the_page_of_commands_has_what_the_help_and_the_doctor_name() {
    let page = read("docs/commands.md");
    let node = node();
    let spans = code_spans(&page);
    let all = command_line();
    for command in all.get_subcommands() {
        let name = command.get_name();
        assert!(
            spans.iter().any(|span| span.split(' ').next() == Some(name)),
            "docs/commands.md does not tell of {name}"
        );
        for option in command.get_arguments().filter_map(Arg::get_long) {
            let option = format!("--{option}");
            let told = spans.iter().any(|span| span.split(' ').any(|word| word == option));
            assert!(told, "docs/commands.md does not tell of {name}'s {option}");
        }
    }
    let commands = || iter::once(&all).chain(all.get_subcommands());
    let is_defined =
        |option: &str| commands().flat_map(Command::get_arguments).any(|it| it.get_long() == Some(option));
    for option in spans
        .iter()
        .flat_map(|span| span.split([' ', '=', '[', ']', '|']))
        .filter_map(|it| it.strip_prefix("--"))
    {
        assert!(is_defined(option), "docs/commands.md tells of --{option}, which no command has");
    }
    let checks = node.operator(&["doctor", "--json"]).json();
    let names: Vec<_> = rows(&page).into_iter().map(|(name, _)| name).collect();
    for check in checks["checks"].as_array().unwrap() {
        let name = check["name"].as_str().unwrap();
        assert!(names.contains(&name), "docs/commands.md does not tell of the check {name}");
    }
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings =
        prose(text).filter_map(|line| line.strip_prefix('#')).map(|it| it.trim_start_matches('#').trim());
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings.map(|it| it.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

#[test]
fn every_relative_link_leads_to_a_file_and_to_a_heading() {
    let mut count = 0;
    for page in pages() {
        let text = read(&page);
        for target in
            text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
        {
            if target.contains("://") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            assert!(root().join(&file).exists(), "{}: {target} leads nowhere", page.display());
            if !anchor.is_empty() {
                let known = anchors(&read(&file));
                assert!(known.contains(anchor), "{}: {target} is none of {known:?}", page.display());
            }
            count += 1;
        }
    }
    assert!(count > 40, "only {count} links were found");
}

#[test]
fn every_path_that_is_named_exists() {
    let mut count = 0;
    for page in pages() {
        let text = read(&page);
        let commands = blocks(&text).chain(code_spans(&text));
        for word in commands.flat_map(|command| command.split([' ', '='])) {
            let folders = ["src/", "tests/", "docs/", "conf-examples/", ".ci/"];
            if folders.iter().any(|folder| word.starts_with(folder)) && !word.contains(['{', '*', '<']) {
                assert!(root().join(word).exists(), "{} names {word}", page.display());
                count += 1;
            }
        }
    }
    assert!(count > 40, "only {count} paths were found");
}

/// The names of Cargo.toml's tables of one kind, such as `[[test]]`.
fn targets(kind: &str) -> BTreeSet<String> {
    let manifest = read("Cargo.toml");
    let header = format!("[[{kind}]]");
    let tables = manifest.split(&header).skip(1);
    let name = |table: &str| Some(table.split_once("name = \"")?.1.split_once('"')?.0.to_owned());
    tables.filter_map(name).collect()
}

/// Whether a suite has a module or a function of this name.
fn has(suite: &str, name: &str) -> bool {
    let files = rust_files(&root().join("tests").join(suite));
    let function = format!("fn {name}(");
    let is_module = |file: &Path| {
        let named =
            if file.ends_with("mod.rs") { file.parent().and_then(Path::file_name) } else { file.file_stem() };
        named.is_some_and(|it| it == name)
    };
    files.iter().any(|file| is_module(file) || read(file).contains(&function))
}

#[test]
fn every_cargo_command_names_what_there_is() {
    let packages: BTreeSet<String> = [
        "benches/fleet",
        "packaging/pages",
        "tests/crates/ecs-simulator",
        "tests/crates/harness",
        "tests/crates/model",
    ]
    .map(|folder| read(format!("{folder}/Cargo.toml")))
    .map(|manifest| manifest.split_once("name = \"").unwrap().1.split_once('"').unwrap().0.to_owned())
    .into();
    let (tests, examples) = (targets("test"), targets("example"));
    let mut count = 0;
    for page in pages() {
        let text = read(&page);
        let commands =
            blocks(&text).chain(code_spans(&text)).filter_map(|it| it.split_once("cargo ")).map(|it| it.1);
        for command in commands {
            // What stands behind `#` is a comment, and behind `--` the test runner's.
            let words: Vec<_> =
                command.split_whitespace().take_while(|word| !matches!(*word, "#" | "--")).collect();
            for pair in words.windows(2) {
                let there = match pair {
                    ["--test", name] => tests.contains(*name),
                    ["--example", name] => examples.contains(*name),
                    ["-p", name] => packages.contains(*name),
                    _ => true,
                };
                assert!(there, "{}: `cargo {command}`", page.display());
            }
            if let [.., "--test", name, filter] = words[..] {
                let there = has(name, filter.rsplit("::").next().unwrap());
                assert!(there, "{}: `cargo {command}` selects nothing", page.display());
            }
            count += 1;
        }
    }
    assert!(count > 20, "only {count} commands were found");
}

#[test]
fn the_page_of_tests_tells_of_every_suite_and_every_crate() {
    let page = read("tests/README.md");
    for name in targets("test") {
        assert!(
            page.contains(&format!("| [{name}]({name}) |")),
            "tests/README.md does not tell of the suite {name}"
        );
    }
    let folders = |parent: &str| {
        let entries = fs::read_dir(root().join(parent)).unwrap().map(Result::unwrap);
        let folders = entries.filter(|entry| entry.path().is_dir());
        folders.map(|entry| entry.file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    let crates = folders("tests/crates").into_iter().map(|name| format!("crates/{name}"));
    for folder in folders("tests").into_iter().filter(|it| it != "crates").chain(crates) {
        let name = folder.trim_start_matches("crates/");
        let tells = page.contains(&format!("| [{name}]({folder}) |"));
        assert!(tells, "tests/README.md does not tell of tests/{folder}");
    }
}

#[test]
fn the_readme_names_the_two_commands_and_the_first_three_when_something_is_wrong() {
    let readme = read("README.md");
    for command in ["cargo run --example demo", "cargo test"] {
        assert!(blocks(&readme).any(|line| line.starts_with(command)), "{command}");
    }
    let section = readme.split("## When something is wrong").nth(1).unwrap().split("\n## ").next().unwrap();
    let log = KEYS.iter().find(|key| key.name == "logFile").unwrap().default.trim_matches('`');
    for word in ["aliyun-eni-ipam doctor", "aliyun-eni-ipam list", log] {
        assert!(section.contains(word), "{word}");
    }
}
