//! The model of the protocol names the files and functions that its steps stand for. A name that the code no longer has
//! would hide that the model describes other code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const MODEL: &str = "tests/crates/model";

/// Where the steps stand, each with the function that does it.
const STEPS: [&str; 3] = [
    "tests/crates/model/src/process.rs",
    "tests/crates/model/src/routes/process.rs",
    "tests/crates/model/src/reserve/state.rs",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below a folder, by their paths from the root.
fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let path = entry.unwrap().path();
        let relative = path.strip_prefix(root()).unwrap().to_owned();
        if path.is_dir() {
            files.extend(rust_files(relative.to_str().unwrap()));
        } else if path.extension().is_some_and(|it| it == "rs") {
            files.push(relative);
        }
    }
    files
}

fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn is_file(citation: &str) -> bool {
    Path::new(citation).extension().is_some_and(|it| it == "rs")
}

/// What the comments of a text cite between backticks. A link in brackets leads to the model itself, and the compiler
/// checks it.
fn citations(text: &str) -> Vec<&str> {
    let comments = text.lines().filter_map(|line| line.split_once("//")).map(|(_, comment)| comment);
    let spans = comments.flat_map(|comment| {
        let parts: Vec<_> = comment.split('`').collect();
        let links: Vec<bool> = parts.iter().map(|before| before.ends_with('[')).collect();
        let spans = parts.into_iter().skip(1).step_by(2);
        spans
            .zip(links.into_iter().step_by(2))
            .filter(|(_, link)| !link)
            .map(|(span, _)| span)
            .collect::<Vec<_>>()
    });
    spans.filter(|span| span.contains("::") || is_file(span)).collect()
}

/// A function, a constant or a field, with what it belongs to: its type, or the modules that it is in.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    of: Vec<String>,
    name: String,
}

impl Item {
    /// Whether a citation such as `Store::begin_add` or `leader::step` means this. Modules in between may be left out at
    /// either end, because rooms pass on the names of their files.
    fn is_cited_by(&self, citation: &str) -> bool {
        let mut path: Vec<&str> = citation.split("::").collect();
        let name = path.pop();
        name == Some(&self.name) && self.of.windows(path.len()).any(|of| of.iter().eq(path.iter()))
    }
}

/// The items of a file, found by the indentation that rustfmt gives them. What stands in `mod tests` is none.
fn items(text: &str, modules: &[String]) -> BTreeSet<Item> {
    let mut found = BTreeSet::new();
    let mut of_type: Option<String> = None;
    for line in text.lines() {
        let code = line.trim_start();
        let code = code.strip_prefix("pub").map_or(code, |rest| match rest.strip_prefix('(') {
            Some(scope) => scope.split_once(')').unwrap().1,
            None => rest,
        });
        let code = code.trim_start();
        let until =
            |rest: &str| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned();
        let depth = line.len() - line.trim_start().len();
        if depth == 0 && (code.starts_with("impl") || code.starts_with("struct ")) {
            let head = code.trim_start_matches("impl").trim_start_matches("struct").trim_start();
            let head = match head.strip_prefix('<') {
                Some(parameters) => parameters.split_once("> ").unwrap().1,
                None => head,
            };
            of_type = Some(until(head.rsplit(" for ").next().unwrap()));
        } else if line == "}" {
            of_type = None;
        }
        let of = match (depth, &of_type) {
            (0, _) => modules.to_vec(),
            (4, Some(name)) => vec![name.clone()],
            _ => continue,
        };
        let name = match code.split_once(' ') {
            Some(("fn" | "const", rest)) => until(rest),
            Some((field, _)) if depth == 4 && field.ends_with(':') => field.trim_end_matches(':').to_owned(),
            _ => continue,
        };
        found.insert(Item { of, name });
    }
    found
}

/// The items of all of `src`.
fn code() -> BTreeSet<Item> {
    let files = rust_files("src").into_iter().filter(|file| file.file_stem().is_some_and(|it| it != "tests"));
    files
        .flat_map(|file| {
            let path = file.strip_prefix("src").unwrap().with_extension("");
            let modules = path.iter().map(|it| it.to_str().unwrap().to_owned()).filter(|it| it != "mod");
            items(&read(&file), &modules.collect::<Vec<_>>())
        })
        .collect()
}

#[test]
fn every_function_and_file_that_the_model_cites_exists() {
    let code = code();
    let mut unknown = Vec::new();
    let mut count = 0;
    for file in rust_files(MODEL) {
        for citation in citations(&read(&file)) {
            let exists = if is_file(citation) {
                root().join(citation).exists()
            } else {
                code.iter().any(|item| item.is_cited_by(citation))
            };
            if !exists {
                unknown.push(format!("{}: {citation}", file.display()));
            }
            count += 1;
        }
    }
    assert!(unknown.is_empty(), "src does not have what the model cites: {unknown:#?}");
    assert!(count > 60, "only {count} citations were found");
}

#[test]
fn every_group_of_the_models_steps_cites_a_function() {
    for file in STEPS {
        let text = read(Path::new(file));
        let steps = text.split("pub enum At {\n").nth(1).unwrap().split("/// It has ended.").next().unwrap();
        assert!(steps.trim_start().starts_with("// `"), "{file}: the first steps cite no function");
        for line in steps.lines().filter(|line| line.trim_start().starts_with("//")) {
            assert!(!citations(line).is_empty(), "{file}: {line} cites no function");
        }
    }
}

#[test]
fn a_citation_means_a_function_a_constant_or_a_field_of_what_it_names() {
    let text = "\
pub const LAG: u8 = 1;
fn step() {}
pub(super) struct Store<'a> {
    pub(super) state: &'a u8,
}
impl<'a> Store<'a> {
    pub fn open() {}
        fn within() {}
}
impl fmt::Display for Step {
    fn fmt() {}
}
mod tests {
    fn test() {}
}
";
    let items = items(text, &["pool".to_owned(), "release".to_owned(), "leader".to_owned()]);
    let cited = |citation: &str| items.iter().any(|item| item.is_cited_by(citation));
    for there in
        ["leader::step", "release::leader::LAG", "pool::LAG", "Store::open", "Store::state", "Step::fmt"]
    {
        assert!(cited(there), "{there} in {items:?}");
    }
    for absent in
        ["leader::open", "Store::step", "Store::within", "leader::test", "pool::leader::step", "x::LAG"]
    {
        assert!(!cited(absent), "{absent} in {items:?}");
    }
    let comment = "/// `Store::open`, [`process::At`] and `src/main.rs`; `flush`\nlet text = \"`a::b`\";";
    assert_eq!(citations(comment), ["Store::open", "src/main.rs"]);
}
