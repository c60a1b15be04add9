//! A command that asks, and a person who takes time to answer.

use std::io::{Read, Write};
use std::process::{Child, Output};

use crate::{Answer, Node};

/// A command that waits for its answer.
#[derive(Debug)]
pub struct Conversation<'a> {
    node: &'a Node,
    child: Child,
    what: String,
    asked: Vec<u8>,
}

impl<'a> Conversation<'a> {
    /// Reads what a command asks, up to the end of the question.
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub(crate) fn begin(node: &'a Node, mut child: Child, what: String) -> Self {
        let mut asked = Vec::new();
        let stderr = child.stderr.as_mut().expect("stderr is piped");
        let mut byte = [0];
        while !asked.ends_with(b"[y/N] ") && stderr.read(&mut byte).expect("stderr can be read") > 0 {
            asked.push(byte[0]);
        }
        Self { node, child, what, asked }
    }

    /// What it asks; everything it had to say on stderr, where it asks nothing.
    #[must_use]
    pub fn question(&self) -> String {
        String::from_utf8_lossy(&self.asked).into_owned()
    }

    /// Types a line and waits for the end of the command.
    ///
    /// # Panics
    /// When the command does not wait for an answer.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without them is no test")]
    pub fn answer(mut self, line: &str) -> Answer {
        let mut stdin = self.child.stdin.take().expect("stdin is piped");
        writeln!(stdin, "{line}").expect("the command reads its answer");
        drop(stdin);
        let output = self.child.wait_with_output().expect("the command ends");
        let stderr = [self.asked, output.stderr].concat();
        Answer::new(self.what, Output { stderr, ..output }, self.node.scene())
    }
}
