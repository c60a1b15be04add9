//! The texts of `help`, and the names of all commands and options.

use crate::base::suggestion::unknown;

/// The text of `--help`.
pub(super) const HELP: &str = "\
aliyun-eni-ipam: a CNI IPAM plugin; pods get secondary private IPs of an Alibaba Cloud ENI.
Container runtimes call it by the CNI protocol. For the person who runs the node:

  aliyun-eni-ipam list                 show what is recorded: state, addresses, pod, ENI, age, attempts, last error
  aliyun-eni-ipam release ADDRESS...   give up these active records and release their addresses now
  aliyun-eni-ipam flush                retry every pending release, release what an earlier boot left and clean up after
                                       interrupted ADDs; for a timer
  aliyun-eni-ipam reconcile            compare with ECS: orphans (on the ENI, no record) and ghosts (recorded, not on
                                       the ENI); --release-orphans releases the orphans; --adopt records again what
                                       this node's pods have, after a store was lost; --restore asks ECS for the
                                       addresses of ghosts, so that their pods work again
  aliyun-eni-ipam routes               compare the node's rules, tables and mark with what they should be; --repair puts
                                       in place what is missing and removes what is left over; --remove removes it all
  aliyun-eni-ipam doctor               check configuration, store, credentials, clock, endpoint, permissions, quota,
                                       routes
  aliyun-eni-ipam help [COMMAND]       explain a command
  aliyun-eni-ipam version              print the version

  --config FILE|DIR   the network configuration (default: /etc/cni/net.d)
  --network NAME      the network, where several are configured
  --json              print JSON
  --yes               release or remove without asking
  --help, --version

Exit status: 0 done, 1 something failed or was left over, 2 wrong usage.";

/// The text about one command, with the options that every command takes.
macro_rules! about {
    ($usage:literal, $text:literal) => {
        concat!(
            "Usage: aliyun-eni-ipam ",
            $usage,
            " [--config FILE|DIR] [--network NAME] [--json]\n\n",
            $text,
            "\n\nOptions of all commands: `aliyun-eni-ipam help`."
        )
    };
}

/// Each command with the text of `help COMMAND`.
pub(super) const COMMANDS: [(&str, &str); 8] = [
    (
        "list",
        about!(
            "list",
            "Shows every record of the store, one line each. It asks neither ECS nor the metadata service.\n\
             STATE is assigning, active, releasing or quarantined. AGE is the time since the addresses were assigned,\n\
             BOOT whether that was in this boot of the machine or an earlier one. LAST-ERROR is why a release waits."
        ),
    ),
    (
        "release",
        about!(
            "release ADDRESS... [--yes]",
            "Gives up the active records that have these addresses and releases all addresses of these records.\n\
             A container that is still running loses its network, so the command asks first; --yes skips the question."
        ),
    ),
    (
        "flush",
        about!(
            "flush",
            "Retries every pending release at once and cleans up after interrupted ADDs, for all networks that use this\n\
             plugin. From ten minutes after boot on it also releases what pods had before the machine booted, because no\n\
             pod survives that; an address that is seen to be in use stays. Then it repairs the node's routes, as\n\
             `routes --repair` does, where the plugin routes pods. It asks nothing, so a timer can run it. Exit status 1\n\
             means that releases are left, that such an address is, or that the routes could not be repaired.\n\
             --json prints one object: released (addresses), cleanedUp (a count of interrupted ADDs), left (a count),\n\
             releasing (what is left, each with addresses, networkInterfaceId and lastError), earlierBoot (begun and\n\
             waiting, both addresses, and kept, each with addresses, networkInterfaceId and why), surplus (addresses of the\n\
             reserve that are given back) and routes (what was changed)."
        ),
    ),
    (
        "reconcile",
        about!(
            "reconcile [--adopt | --restore | --release-orphans [--yes]]\n                      ",
            "Compares the records with what ECS shows on the ENIs of this node.\n\
             An orphan is on the ENI without a record; a ghost is recorded but not on the ENI; in-doubt means that a\n\
             damaged record or an interrupted ADD may have the address. In-use means that a pod of this node has the\n\
             address without a record, conflict that a pod has it and the record is another's. libcni's cache and the\n\
             host's routes show that.\n\
             --release-orphans asks and releases the orphans.\n\
             --adopt records for the pods what libcni's cache says that they have, after the store was lost or restored\n\
             from a backup. The cache is in /var/lib/cni, or where CNI_CACHE_DIR says.\n\
             --restore asks ECS for the very addresses of active ghosts, which somebody has unassigned, so that their pods\n\
             work again. Neither of the two takes anything from a pod, and neither asks first."
        ),
    ),
    (
        "routes",
        about!(
            "routes [--repair | --remove [--yes]]",
            "Compares what the kernel has of this plugin, links, tables, rules and the mark, with what the node's ENIs and the\n\
             active records of all networks need where the plugin stands behind the main plugin in `plugins`. It prints a\n\
             row for each ENI and a line for each difference. Exit status 1 means that something differs.\n\
             --repair puts in place what is missing and removes what is left over; it takes nothing from a pod.\n\
             --remove removes all of it, also where nothing is configured any more. Pods that are routed by it lose their\n\
             network, so it asks first where there are any; --yes skips the question.\n\
             --network makes no difference, because the routes are the node's."
        ),
    ),
    (
        "doctor",
        about!(
            "doctor",
            "Checks everything that an ADD and a DEL need, of all networks or of one, and changes nothing. Each line is ok,\n\
             warn or fail, with what to do; the last one sums up. Exit status 1 means that a check failed. Without a\n\
             configuration it checks the binary, the default store, instance metadata and credentials.\n\
             CNI_PATH names the directories of plugins, if the runtime does not use /opt/cni/bin."
        ),
    ),
    ("help", "Usage: aliyun-eni-ipam help [COMMAND]\n\nExplains a command, or names all of them."),
    ("version", "Usage: aliyun-eni-ipam version\n\nPrints the version."),
];

/// Every long option.
pub(super) const OPTIONS: [&str; 11] = [
    "config",
    "network",
    "json",
    "yes",
    "release-orphans",
    "adopt",
    "restore",
    "repair",
    "remove",
    "help",
    "version",
];

/// The text about the command of this name.
pub(super) fn help_of(name: &str) -> Result<&'static str, String> {
    let text = COMMANDS.iter().find(|(command, _)| *command == name).map(|(_, text)| *text);
    text.ok_or_else(|| unknown_command(name))
}

/// The error for a word that is not a command.
pub(super) fn unknown_command(name: &str) -> String {
    unknown("command", "", name, &COMMANDS.map(|(name, _)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_tells_of_every_command_and_option() {
        let options = OPTIONS.map(|option| format!("--{option}"));
        assert!(options.iter().all(|option| HELP.contains(option)));
        assert!(COMMANDS.iter().all(|(name, _)| HELP.contains(&format!("aliyun-eni-ipam {name}"))));
        let texts = COMMANDS.iter().map(|(_, text)| *text).chain([HELP]);
        assert!(texts.flat_map(str::lines).all(|line| line.chars().count() <= 120));
    }
}
