//! The only place that writes to stdout and stderr on behalf of a runtime. What it writes is JSON, which has escapes of its
//! own, and a text without anybody's data.
//!
//! A runtime that has given up on a call closes its ends of the pipes while the plugin goes on. The print macros of the
//! standard library panic then; here it is an error, because what ADD then has to do is to undo its work.

use std::io::{self, Write};

use serde_json::Value;

use super::Version;

/// Writes one document to stdout, which must be the only one: a runtime can make nothing of two.
///
/// # Errors
/// When it could not be written in full, so that nobody has got the answer: [`io::ErrorKind::BrokenPipe`] when the
/// runtime is gone.
pub fn print(document: &Value) -> io::Result<()> {
    write_document(&mut io::stdout().lock(), document)
}

/// Tells a person on stderr what this program is, as CNI plugins do when no operation is asked for. There is nothing to
/// be done when that fails.
pub fn print_about(name: &str, version: &str) {
    let _ = io::stderr().lock().write_all(about(name, version).as_bytes());
}

fn write_document(out: &mut impl Write, document: &Value) -> io::Result<()> {
    let mut line = document.to_string();
    line.push('\n');
    out.write_all(line.as_bytes())?;
    out.flush()
}

fn about(name: &str, version: &str) -> String {
    let versions = Version::ALL.map(Version::as_str).join(", ");
    format!("CNI {name} plugin v{version}\nCNI protocol versions supported: {versions}\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_is_one_line() {
        let mut out = Vec::new();
        write_document(&mut out, &json!({"msg": "two\nlines", "code": 7})).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "{\"code\":7,\"msg\":\"two\\nlines\"}\n");
    }

    #[test]
    fn a_document_that_nobody_reads_is_an_error() {
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        let error = write_document(&mut writer, &json!({})).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn the_about_text_lists_the_versions() {
        let expected = "CNI example plugin v1.2.3\n\
                        CNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n";
        assert_eq!(about("example", "1.2.3"), expected);
    }
}
