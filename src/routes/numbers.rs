//! The numbers by which this plugin's part of the kernel's routing is known, and why they are what they are.

/// The group of each ENI's link. One rule by group takes the place of one rule for each pod.
pub(super) const GROUP: u32 = 77;

/// The bit of the connection mark and of the packet mark that says: this connection came in by the primary ENI. kube-proxy has
/// 0x4000 and 0x8000, Calico the upper 16 bits, Cilium 0x0f00; Terway has the same one for the same purpose.
pub(super) const MARK: u32 = 0x10;

/// What is not behind an ENI goes where the main table says: pods of this node, bridges, tunnels.
pub(super) const NOT_BEHIND_AN_ENI: u32 = 512;

/// Answers of what came in by the primary ENI leave by it.
pub(super) const MARKED: u32 = 600;

/// What a pod sends leaves by the ENI that has its address.
pub(super) const FROM_POD: u32 = 2048;

/// What the node sends from an ENI's own address leaves by that ENI.
pub(super) const FROM_ENI: u32 = 2049;

/// The main table.
pub(super) const MAIN: u32 = 254;

/// The tables of ENIs: this and the last three bytes of the hardware address. A number of the link, such as its index, would be another one
/// after the ENI was detached and attached again.
const FIRST_TABLE: u32 = 1_000_000_000;

/// The last of them.
const LAST_TABLE: u32 = FIRST_TABLE + 0x00ff_ffff;

/// The metric of the route that remains in a table when the link has gone down: the last to be chosen.
pub(super) const LAST_METRIC: u32 = u32::MAX;

/// The metric that the kernel gives an IPv6 route without one.
pub(super) const METRIC6: u32 = 1024;

/// What put an address on a link, where the kernel keeps it: Linux 5.18 and newer.
pub(super) const ADDRESS_PROTOCOL: u8 = 77;

/// The table of the ENI with this hardware address.
pub(super) fn table_of(mac: [u8; 6]) -> u32 {
    let [_, _, _, high, middle, low] = mac;
    FIRST_TABLE + u32::from_be_bytes([0, high, middle, low])
}

/// Whether a table is one of an ENI, of this node or of one that has gone.
pub(super) fn is_table_of_an_eni(table: u32) -> bool {
    (FIRST_TABLE..=LAST_TABLE).contains(&table)
}

/// The six bytes of a hardware address as metadata writes it.
pub(super) fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        let part = parts.next().filter(|part| part.len() == 2)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_its_number_from_the_last_bytes_of_the_hardware_address() {
        for (mac, table) in [
            ("00:16:3e:00:00:01", Some(1_000_000_001)),
            ("00:16:3e:00:01:00", Some(1_000_000_256)),
            ("00:16:3E:FF:FF:FF", Some(1_016_777_215)),
            ("00:16:3e:00:00", None),
            ("00:16:3e:00:00:01:02", None),
            ("00:16:3e:0:0:001", None),
            ("", None),
        ] {
            assert_eq!(parse_mac(mac).map(table_of), table, "{mac}");
            assert!(table.is_none_or(is_table_of_an_eni));
        }
        assert!(![0, MAIN, 999_999_999, 1_016_777_216, u32::MAX].into_iter().any(is_table_of_an_eni));
    }
}
