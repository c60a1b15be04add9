//! The definition of every command and option. The parser, the pages of `help`, the man page and the shells' completions come from it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser, ValueParser};
use clap::{Arg, ArgAction, Command, ValueHint, value_parser};

use crate::commands::list::SortKey;
use crate::store::State;

/// Where runtimes look for the network configuration.
const DEFAULT_CONFIG: &str = "/etc/cni/net.d";

/// The heading of what every command takes.
const OF_EVERY_COMMAND: &str = "Options of every command";

/// Every command with its options.
#[must_use]
pub fn command_line() -> Command {
    Command::new("aliyun-eni-ipam")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Manage the addresses that Alibaba Cloud ENIs lend to this node's pods")
        .long_about(
            "A CNI IPAM plugin: pods get secondary private IPs of an Alibaba Cloud ENI. Container runtimes call it by the CNI \
             protocol. These commands are for the person who runs the node; run them as root.",
        )
        .after_help("Exit status: 0 done, 1 something failed or was left over, 2 wrong usage.")
        .override_usage("aliyun-eni-ipam <COMMAND> [OPTIONS]")
        .propagate_version(true)
        .subcommand_required(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .args_override_self(true)
        .args(of_every_command())
        .subcommands([
            list(),
            doctor(),
            reconcile(),
            flush(),
            routes(),
            release(),
            install(),
            uninstall(),
            help(),
            version(),
        ])
}

/// The names of all commands, as `help` takes them.
pub(super) const COMMANDS: [&str; 10] =
    ["list", "doctor", "reconcile", "flush", "routes", "release", "install", "uninstall", "help", "version"];

fn of_every_command() -> [Arg; 5] {
    [
        Arg::new("config")
            .long("config")
            .value_name("FILE|DIR")
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::AnyPath)
            .default_value(DEFAULT_CONFIG)
            .help("The network configuration"),
        Arg::new("network")
            .long("network")
            .value_name("NAME")
            .help("The network, where several are configured"),
        flag("json").help("Print one JSON object instead of text"),
        flag("help").short('h').action(ArgAction::Help).help("Print help"),
        flag("version").short('V').action(ArgAction::Version).help("Print the version"),
    ]
    .map(|option| option.global(true).help_heading(OF_EVERY_COMMAND))
}

fn list() -> Command {
    Command::new("list")
        .about("Show what is recorded: state, addresses, pod, ENI, age, error")
        .long_about(
            "Shows every record, one line each, of all networks unless --network names one. It asks neither ECS nor the \
             metadata service.\n\n\
             STATE is assigning, reserved, active, releasing or quarantined. AGE is the time in that state: of a release, \
             since the DEL. LAST-ERROR is why a release waits, and NEXT-TRY how long no call tries it again. BOOT says \
             whether the addresses were assigned in this boot of the machine or an earlier one.\n\n\
             On a terminal, columns that say nothing unusual are left out. A pipe gets them all.",
        )
        .override_usage("aliyun-eni-ipam list [--state <STATE>[,<STATE>...]] [--pod <NAME>]\n                            [--sort <KEY>]")
        .args([
            Arg::new("state")
                .long("state")
                .value_name("STATE")
                .value_delimiter(',')
                .action(ArgAction::Append)
                .value_parser(one_of(State::ALL.map(|state| (state.name(), state))))
                .hide_possible_values(true)
                .help(format!(
                    "Show only the records in one of these states, separated by commas: {}",
                    State::ALL.map(State::name).join(", ")
                )),
            Arg::new("pod").long("pod").value_name("NAME").help("Show only the records of this pod: NAMESPACE/NAME or NAME"),
            Arg::new("sort")
                .long("sort")
                .value_name("KEY")
                .value_parser(one_of(SortKey::ALL.map(|key| (key.name(), key))))
                .hide_possible_values(true)
                .help(format!(
                    "Sort by one of these, the oldest age and the most attempts first: {} [default: state]",
                    SortKey::ALL.map(SortKey::name).join(", ")
                )),
        ])
}

fn doctor() -> Command {
    Command::new("doctor")
        .about("Check configuration, store, credentials, permissions, quota, routes")
        .long_about(
            "Checks everything that an ADD and a DEL need, of all networks or of the one that --network names, and changes \
             nothing. Each line is ok, warn or fail, with what to do; the last one sums up. Without a configuration it checks \
             the binary, the default store, instance metadata and credentials.\n\n\
             CNI_PATH names the directories of plugins, if the runtime does not use /opt/cni/bin.",
        )
        .override_usage("aliyun-eni-ipam doctor")
        .after_help("Exit status 1: a check failed.")
}

fn reconcile() -> Command {
    Command::new("reconcile")
        .about("Compare the records with ECS, and repair what differs")
        .long_about(
            "Compares the records with what ECS shows on the ENIs of this node. An orphan is on the ENI without a record; a \
             ghost is recorded but not on the ENI; in-doubt means that a damaged record or an interrupted ADD may have the \
             address. In-use means that a pod of this node has the address without a record, conflict that a pod has it and \
             the record is another's: libcni's cache and the host's routes show that.\n\n\
             Without one of the first three options it changes nothing. The cache is in /var/lib/cni, or where CNI_CACHE_DIR \
             says.",
        )
        .override_usage(
            "aliyun-eni-ipam reconcile [--timeout <SECONDS>]\n       \
             aliyun-eni-ipam reconcile --release-orphans [--yes] [--timeout <SECONDS>]\n       \
             aliyun-eni-ipam reconcile --adopt [--timeout <SECONDS>]\n       \
             aliyun-eni-ipam reconcile --restore [--timeout <SECONDS>]",
        )
        .after_help("Exit status 1: something differs still, or could not be compared.")
        .args([
            flag("release-orphans")
                .conflicts_with_all(["adopt", "restore"])
                .help("Ask, then release the orphans; never one that a pod is seen to use"),
            flag("adopt").conflicts_with("restore").help(
                "Record for the pods what libcni's cache says that they have, after the store was lost or restored from a \
                 backup; takes nothing from a pod and does not ask",
            ),
            flag("restore").help(
                "Ask ECS for the very addresses of active ghosts, so that their pods work again; takes nothing from a pod \
                 and does not ask",
            ),
            yes().requires("release-orphans").conflicts_with_all(["adopt", "restore"]),
            timeout(),
        ])
}

fn flush() -> Command {
    Command::new("flush")
        .about("Retry every pending release and clean up; for a timer")
        .long_about(
            "Retries every pending release at once and cleans up after interrupted ADDs, for all networks that use this plugin. \
             From ten minutes after boot on it also releases what pods had before the machine booted, because no pod survives \
             that; an address that is seen to be in use stays. Then it repairs the node's routes, as `routes --repair` does, \
             where the plugin routes pods. It asks nothing, so a timer can run it.",
        )
        .override_usage("aliyun-eni-ipam flush [--timeout <SECONDS>] [--every <SECONDS>]")
        .after_help(
            "Exit status 1: releases are left, an address of an earlier boot is in use, or the routes could not be repaired.",
        )
        .args([
            timeout(),
            Arg::new("every")
                .long("every")
                .value_name("SECONDS")
                .value_parser(ValueParser::new(seconds))
                .help("Run again and again, with this pause between two runs, until SIGTERM comes"),
        ])
}

fn routes() -> Command {
    Command::new("routes")
        .about("Compare the node's rules, tables and mark with what they should be")
        .long_about(
            "Compares what the kernel has of this plugin, links, tables, rules and the mark, with what the node's ENIs and the \
             active records of all networks need where the plugin stands behind the main plugin in `plugins`. It prints a row \
             for each ENI and a line for each difference. --network makes no difference, because the routes are the node's.",
        )
        .override_usage("aliyun-eni-ipam routes [--repair | --remove [--yes]]")
        .after_help("Exit status 1: something differs still.")
        .args([
            flag("repair").conflicts_with("remove").help(
                "Put in place what is missing and remove what is left over; takes nothing from a pod and does not ask",
            ),
            flag("remove").help(
                "Remove all of it, also where nothing is configured any more; asks where pods are routed by it, because they \
                 lose their network",
            ),
            yes().requires("remove").conflicts_with("repair"),
        ])
}

fn release() -> Command {
    Command::new("release")
        .about("Give up active records, and release their addresses now")
        .long_about(
            "Gives up the active records that have these addresses and releases all addresses of these records. A container \
             that is still running loses its network, so the command asks first.",
        )
        .override_usage("aliyun-eni-ipam release <ADDRESS>... [--yes]")
        .after_help("Exit status 1: ECS has not confirmed a release yet. It stays recorded, and later calls retry it.")
        .args([
            Arg::new("address")
                .value_name("ADDRESS")
                .required(true)
                .num_args(1..)
                .value_parser(ValueParser::new(address))
                .help("An address of the record"),
            yes(),
        ])
}

fn install() -> Command {
    Command::new("install")
        .about("Copy this binary to where runtimes look for plugins")
        .long_about(
            "Copies this binary into the directory of plugins, by rename, so that no runtime ever starts half of one. With \
             CONFLIST, doctor then judges that file, and only if no check fails it is placed in the directory of --config, by \
             rename too: a runtime takes the node for ready as soon as it sees the file.",
        )
        .override_usage("aliyun-eni-ipam install [<CONFLIST>] [--plugin-dir <DIR>]")
        .after_help("Exit status 1: a check failed, or a file could not be written.")
        .args([
            Arg::new("conflist")
                .value_name("CONFLIST")
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::FilePath)
                .help("The network configuration to place"),
            plugin_directory(),
        ])
}

fn uninstall() -> Command {
    Command::new("uninstall")
        .about("Remove the configuration, the pending releases, routes, binary")
        .long_about(
            "Removes this plugin from the node: first the configuration files that use it, so that no new pod comes; then, as \
             flush does, the addresses that wait for their release; then the routes, and at last the binary. The store stays. \
             It asks where pods still have addresses.",
        )
        .override_usage("aliyun-eni-ipam uninstall [--plugin-dir <DIR>] [--yes]")
        .after_help("Exit status 1: something is left.")
        .args([plugin_directory(), yes()])
}

fn help() -> Command {
    Command::new("help")
        .about("Explain a command, or name all of them")
        .override_usage("aliyun-eni-ipam help [<COMMAND>]")
        .arg(
            Arg::new("of")
                .value_name("COMMAND")
                .value_parser(PossibleValuesParser::new(COMMANDS))
                .hide_possible_values(true)
                .help("The command"),
        )
}

fn version() -> Command {
    Command::new("version").about("Print the version").override_usage("aliyun-eni-ipam version")
}

fn flag(name: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue)
}

fn yes() -> Arg {
    flag("yes").help("Agree beforehand: do not ask")
}

fn timeout() -> Arg {
    Arg::new("timeout")
        .long("timeout")
        .value_name("SECONDS")
        .value_parser(ValueParser::new(seconds))
        .help("How long it may take, without the time in which a person thinks [default: 300]")
}

fn plugin_directory() -> Arg {
    Arg::new("plugin-dir")
        .long("plugin-dir")
        .value_name("DIR")
        .value_parser(value_parser!(PathBuf))
        .value_hint(ValueHint::DirPath)
        .help("The directory of plugins [default: the first of CNI_PATH, or /opt/cni/bin]")
}

/// One of these words, as what it stands for.
fn one_of<T: Copy + Send + Sync + 'static, const N: usize>(words: [(&'static str, T); N]) -> ValueParser {
    let parser = PossibleValuesParser::new(words.map(|(name, _)| name));
    ValueParser::new(parser.try_map(move |word| {
        words.iter().find(|(name, _)| *name == word).map(|(_, it)| *it).ok_or("no such word")
    }))
}

fn address(word: &str) -> Result<IpAddr, String> {
    word.parse().map_err(|_| format!("`{word}` is not an IP address"))
}

/// What a person waits for at most. It also keeps the arithmetic of deadlines from overflowing.
const MOST_SECONDS: u64 = 86_400;

fn seconds(word: &str) -> Result<Duration, String> {
    match word.parse() {
        Ok(seconds @ 1..=MOST_SECONDS) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("`{word}` is not a number of seconds from 1 to {MOST_SECONDS}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_makes_sense_to_its_library() {
        command_line().debug_assert();
        let defined: Vec<_> = command_line().get_subcommands().map(|it| it.get_name().to_owned()).collect();
        assert_eq!(defined, COMMANDS);
    }
}
