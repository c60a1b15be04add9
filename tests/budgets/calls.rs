//! The calls that have budgets, and the node on which they are made.

use std::path::PathBuf;

use harness::{Calling, Node, needs};
use tempfile::TempDir;

/// A call that has a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Add,
    Del,
    /// DEL where ECS is reached by `https`, as on every node: with the roots of this machine.
    DelOverTls,
    /// DEL of an attachment that has no record. Runtimes send one for every pod that they have deleted.
    DelOfNobody,
    Version,
}

impl Call {
    pub(crate) const ALL: [Self; 5] =
        [Self::Add, Self::Del, Self::DelOverTls, Self::DelOfNobody, Self::Version];

    /// Its name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
            Self::DelOverTls => "DEL-over-TLS",
            Self::DelOfNobody => "DEL-of-nobody",
            Self::Version => "VERSION",
        }
    }
}

/// A node that has one pod, knows its ENI and has nothing to catch up with.
pub(crate) struct WarmNode {
    node: Node,
    directory: TempDir,
}

impl WarmNode {
    /// A node for calls of this kind.
    pub(crate) fn new(call: Call) -> Self {
        // All directories above the store are looked at, so it is not where TMPDIR says.
        let directory = tempfile::tempdir_in("/tmp").unwrap();
        let plugin = needs::release_binary().unwrap();
        let mut node = if call == Call::DelOverTls { Node::over_tls(plugin) } else { Node::new(plugin) };
        node.set("dataDir", directory.path().join("store").to_str().unwrap());
        node.set("logFile", directory.path().join("log").to_str().unwrap());
        // The default, as on most nodes.
        node.ipam.remove("logLevel");
        let _ = node.add("neighbour").address();
        let node = Self { node, directory };
        node.measure(Call::Del, |call| call);
        node
    }

    /// Makes a call as `change` has it. Before and after, the node is the same.
    pub(crate) fn measure<'n>(&'n self, call: Call, change: impl FnOnce(Calling<'n>) -> Calling<'n>) {
        let make = |verb| change(self.node.call(verb, "measured")).run();
        match call {
            Call::Add => {
                let _ = make("ADD").address();
                self.node.del("measured").ok();
            }
            Call::Del | Call::DelOverTls => {
                let _ = self.node.add("measured").address();
                make("DEL").ok();
            }
            Call::DelOfNobody => make("DEL").ok(),
            Call::Version => drop(make("VERSION").json()),
        }
        assert_eq!((self.node.on_eni().len(), self.node.counts()), (1, [0, 1, 0, 0]));
    }

    /// Where a tool is to write what it has measured.
    pub(crate) fn report(&self) -> PathBuf {
        self.directory.path().join("report")
    }
}
