//! What the package makes of a fresh Debian.

use harness::Need;

use crate::debian::Debian;
use crate::package::{newer, package};

harness::tests! {
    needs [Need::Root, Need::NetworkNamespaces, Need::DebianPackage]:
        systemd_logrotate_and_man_take_what_is_for_them,
        who_disables_the_timer_is_not_overruled_by_an_upgrade,
        files_that_were_installed_by_hand_give_way_to_the_package,
        where_a_plugin_directory_is_a_link_to_the_other_the_plugin_is_in_both;
}

const UNITS: &str = "/lib/systemd/system/aliyun-eni-ipam-flush.*";
const TIMER: &str = "aliyun-eni-ipam-flush.timer";

/// Where a runtime or a person finds the plugin.
const PLACES: [&str; 3] =
    ["/opt/cni/bin/aliyun-eni-ipam", "/usr/lib/cni/aliyun-eni-ipam", "/usr/sbin/aliyun-eni-ipam"];

impl Debian {
    /// Installs the package as a person does who has the file.
    #[track_caller]
    pub(crate) fn install(&self) {
        self.copy(&package(), "/run/test/package.deb");
        self.run("apt-get install --quiet --yes /run/test/package.deb");
    }

    /// Replaces it by a higher version.
    #[track_caller]
    fn upgrade(&self) {
        let directory = tempfile::tempdir().expect("temporary directory");
        self.copy(&newer(directory.path()), "/run/test/newer.deb");
        self.run("dpkg --install /run/test/newer.deb");
    }

    /// Expects that each place leads to the file of the package.
    #[track_caller]
    fn expect_plugin_in_place(&self) {
        let sum = self.run("sha256sum </opt/cni/bin/aliyun-eni-ipam");
        for place in PLACES {
            assert_eq!(self.run(&format!("sha256sum <{place}")), sum, "{place}");
            self.run(&format!("{place} --version"));
        }
        // dpkg has written it, whatever was there before.
        self.run("dpkg --verify aliyun-eni-ipam && test -f /opt/cni/bin/aliyun-eni-ipam");
    }

    #[track_caller]
    fn is_enabled(&self, unit: &str) -> String {
        self.attempt(&format!("systemctl --root=/ is-enabled {unit}")).1.trim().to_owned()
    }
}

fn systemd_logrotate_and_man_take_what_is_for_them() {
    let debian = Debian::fresh();
    debian.install();
    debian.expect_plugin_in_place();

    assert_eq!(debian.run(&format!("systemd-analyze verify {UNITS}")), "");
    assert_eq!(debian.is_enabled(TIMER), "enabled");
    // A timer alone starts it.
    assert_eq!(debian.is_enabled("aliyun-eni-ipam-flush.service"), "static");
    // How much of the node it can reach, of 100: anything below 30 is what systemd calls "OK".
    debian.run("systemd-analyze security --offline=true --threshold=30 aliyun-eni-ipam-flush.service");

    assert_eq!(debian.run("stat --format='%a %U' /run/aliyun-eni-ipam"), "700 root\n");
    let rotated = debian.run("logrotate --debug /etc/logrotate.d/aliyun-eni-ipam");
    assert!(rotated.contains("/var/log/aliyun-eni-ipam.log") && !rotated.contains("error"), "{rotated}");
    assert_eq!(debian.run("man --where aliyun-eni-ipam"), "/usr/share/man/man8/aliyun-eni-ipam.8.gz\n");
}

fn who_disables_the_timer_is_not_overruled_by_an_upgrade() {
    let debian = Debian::fresh();
    debian.install();
    debian.run(&format!("systemctl --root=/ disable {TIMER}"));
    debian.upgrade();
    assert_eq!(debian.is_enabled(TIMER), "disabled");
    debian.run(&format!("systemctl --root=/ enable {TIMER}"));
    debian.run("dpkg --install /run/test/package.deb");
    assert_eq!(debian.is_enabled(TIMER), "enabled");
}

fn files_that_were_installed_by_hand_give_way_to_the_package() {
    let debian = Debian::fresh();
    debian.run("mkdir -p /opt/cni/bin && cp /bin/true /opt/cni/bin/aliyun-eni-ipam");
    debian.run("cp /bin/true /usr/lib/cni/aliyun-eni-ipam");
    debian.install();
    debian.expect_plugin_in_place();
    debian.upgrade();
    debian.expect_plugin_in_place();
}

fn where_a_plugin_directory_is_a_link_to_the_other_the_plugin_is_in_both() {
    let debian = Debian::fresh();
    debian.run("mkdir -p /opt/cni && ln -s /usr/lib/cni /opt/cni/bin");
    debian.install();
    debian.expect_plugin_in_place();
    debian.upgrade();
    debian.expect_plugin_in_place();
}
