//! The cache of libcni, the library with which container runtimes call plugins: one file for each attachment whose ADD has succeeded
//! and whose last DEL has not. The files are the runtimes', and are read with suspicion.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::base::address::Address;
use crate::base::attachment::{Attachment, Pod};
use crate::base::text::{clean, reason};
use crate::base::user::own_user;
use crate::cni::{addresses_of, check_attachment, pod_of};
use crate::config::{Ipam, ipam_sections, is_of_this_plugin, plugins_of};

/// The environment's name for the cache's directory, where it is not the usual one.
const VARIABLE: &str = "CNI_CACHE_DIR";

/// libcni's default, which containerd and CRI-O leave as it is.
const USUAL: &str = "/var/lib/cni";

/// The directories of results below it: libcni's, and that of the plugins that Multus calls, which need not be there.
const RESULTS: [&str; 2] = ["results", "multus/results"];

/// As many files as are read. A node has a few hundred pods at most, each with a file for `lo` beside its own.
const MAX_FILES: usize = 10_000;

/// As much of a file as is read. A usual one has a few kilobytes.
const MAX_BYTES: u64 = 1 << 20;

/// The longest name and the longest list of addresses that are taken from a file: a record that is made of them must be readable.
const MAX_NAME_BYTES: usize = 4096;
const MAX_ADDRESSES: usize = 64;

/// What libcni calls the form of its files since 2019.
const KIND: &str = "cniCacheV1";

/// One file of libcni's cache: an attachment whose ADD has succeeded, and which no DEL has ended.
#[derive(Clone, Debug)]
pub(crate) struct CachedAttachment {
    pub(crate) owner: Attachment,
    /// The network's name.
    pub(crate) network: String,
    /// The addresses that its result has.
    pub(crate) addresses: Vec<Address>,
    pub(crate) pod: Option<Pod>,
    /// The store, if the attachment's IPAM plugin is this one: `dataDir` of the configuration that its ADD had.
    pub(crate) store: Option<PathBuf>,
    /// The types of its IPAM plugins, for people.
    pub(crate) ipam: String,
    /// The links that its result has on this host.
    pub(crate) links: Vec<String>,
    /// When the file was written: when the ADD had ended. `None` where the system does not tell.
    pub(crate) written: Option<SystemTime>,
    /// The file.
    pub(crate) path: PathBuf,
}

/// A file of the cache that could not be read.
#[derive(Clone, Debug)]
pub(super) struct Unreadable {
    pub(super) path: PathBuf,
    why: String,
    /// What it has of text, in which an address may stand.
    pub(super) text: String,
}

#[cfg(test)]
impl Unreadable {
    pub(super) fn example(text: &str) -> Self {
        Self { path: PathBuf::new(), why: String::new(), text: text.to_owned() }
    }
}

/// The form of a file.
#[derive(Deserialize)]
struct Form {
    kind: String,
    #[serde(rename = "containerId")]
    container_id: String,
    #[serde(rename = "ifName")]
    ifname: String,
    #[serde(rename = "networkName", default)]
    network: String,
    /// The configuration of the network in base64: a list of plugins, or a single one.
    #[serde(default)]
    config: String,
    #[serde(rename = "cniArgs", default)]
    args: Option<Vec<(String, String)>>,
    #[serde(default)]
    result: Option<Map<String, Value>>,
}

/// What the cache has.
#[derive(Debug, Default)]
pub(super) struct CniCache {
    pub(super) attachments: Vec<CachedAttachment>,
    pub(super) unreadable: Vec<Unreadable>,
}

impl CniCache {
    /// Reads the cache of this node; what could not be read goes to `unseen`.
    pub(super) fn look(unseen: &mut Vec<String>) -> Self {
        let directory = std::env::var_os(VARIABLE).filter(|it| !it.is_empty());
        Self::read(&directory.map_or_else(|| USUAL.into(), PathBuf::from), unseen)
    }

    fn read(directory: &Path, unseen: &mut Vec<String>) -> Self {
        let mut cache = Self::default();
        for (number, results) in RESULTS.iter().map(|it| directory.join(it)).enumerate() {
            match files(&results) {
                Ok((files, left_off)) => {
                    for path in &files {
                        cache.add(path);
                    }
                    if left_off > 0 {
                        unseen.push(format!("{left_off} more files in {}", results.display()));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound && number > 0 => {}
                Err(error) => unseen.push(format!("{}: {}", results.display(), reason(&error))),
            }
        }
        unseen.extend(cache.unreadable.iter().map(|it| format!("{}: {}", it.path.display(), it.why)));
        cache
    }

    fn add(&mut self, path: &Path) {
        match read(path) {
            // Gone meanwhile: its attachment has ended.
            Ok(None) => {}
            Ok(Some((text, written))) => match CachedAttachment::parse(&text, path, written) {
                Ok(found) => self.attachments.push(found),
                Err(why) => self.unreadable.push(Unreadable { path: path.to_owned(), why, text }),
            },
            Err(error) => {
                let (why, text) = (reason(&error), String::new());
                self.unreadable.push(Unreadable { path: path.to_owned(), why, text });
            }
        }
    }
}

/// The files of a directory in order, and how many are left off.
fn files(directory: &Path) -> io::Result<(Vec<PathBuf>, usize)> {
    let mut files = Vec::new();
    let mut left_off = 0;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if files.len() < MAX_FILES {
            files.push(path);
        } else {
            left_off += 1;
        }
    }
    files.sort();
    Ok((files, left_off))
}

/// The text of a file and when it was written; `None` if there is none. Only a plain file of root's or of this process's own user
/// is read: no link is followed, and no pipe is waited for.
fn read(path: &Path) -> io::Result<Option<(String, Option<SystemTime>)>> {
    let mut options = OpenOptions::new();
    let file = match options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a plain file"));
    }
    if metadata.uid() != 0 && metadata.uid() != own_user()? {
        return Err(io::Error::other(format!("it belongs to the user {}", metadata.uid())));
    }
    Ok(Some((text(file)?, metadata.modified().ok())))
}

fn text(file: File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("it is larger than {MAX_BYTES} bytes")));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl CachedAttachment {
    fn parse(text: &str, path: &Path, written: Option<SystemTime>) -> Result<Self, String> {
        let form: Form = serde_json::from_str(text).map_err(|error| clean(&error.to_string(), 200))?;
        if form.kind != KIND {
            return Err(format!("its kind is {}, not {KIND}", clean(&form.kind, 40)));
        }
        let owner = check_attachment(&form.container_id, &form.ifname)
            .map_err(|error| clean(&error.to_string(), 200))?;
        let result = form.result.unwrap_or_default();
        let addresses = addresses_of(&result).map_err(|why| clean(&why, 200))?;
        if form.container_id.len().max(form.network.len()) > MAX_NAME_BYTES || addresses.len() > MAX_ADDRESSES
        {
            return Err("its names or its list of addresses are too long".to_owned());
        }
        let pairs = form.args.iter().flatten();
        let (ipam, store) = ipam_of(&form.config);
        Ok(Self {
            owner,
            network: form.network,
            addresses,
            pod: pod_of(pairs.map(|(key, value)| (key.as_str(), value.as_str()))),
            store,
            ipam,
            links: links_of(&result),
            written,
            path: path.to_owned(),
        })
    }

    /// Who it is, for people.
    pub(crate) fn user(&self) -> String {
        let Attachment { container_id, ifname } = &self.owner;
        let id: String = container_id.chars().take(64).collect();
        match &self.pod {
            Some(pod) => format!("pod {pod} (container {id}, {ifname})"),
            None => format!("container {id}, {ifname}"),
        }
    }
}

/// The types of the IPAM plugins in a cached configuration, and the store of this one.
fn ipam_of(config: &str) -> (String, Option<PathBuf>) {
    let config = BASE64_STANDARD.decode(config).ok();
    let Some(config) = config.and_then(|it| serde_json::from_slice::<Value>(&it).ok()) else {
        return ("an unreadable configuration".to_owned(), None);
    };
    let sections: Vec<_> = ipam_sections(plugins_of(&config)).collect();
    let type_of =
        |ipam: &Map<String, Value>| clean(ipam.get("type").and_then(Value::as_str).unwrap_or_default(), 80);
    let ours = sections.iter().find(|ipam| is_of_this_plugin(ipam));
    let types: Vec<_> = sections.iter().map(|ipam| type_of(ipam)).collect();
    let types = if types.is_empty() { "no IPAM plugin".to_owned() } else { types.join(" and ") };
    (types, ours.and_then(|ipam| Ipam::new(ipam).data_directory().ok()))
}

/// The names of the links that a result has on this host.
fn links_of(result: &Map<String, Value>) -> Vec<String> {
    let links = result.get("interfaces").and_then(Value::as_array).into_iter().flatten();
    let on_host = links.filter(|link| link["sandbox"].as_str().unwrap_or_default().is_empty());
    on_host.filter_map(|link| link["name"].as_str()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn file(change: impl FnOnce(&mut Value)) -> String {
        let config = json!({"cniVersion": "1.1.0", "name": "pods", "plugins": [
            {"type": "ptp", "ipam": {"type": "aliyun-eni-ipam", "dataDir": "/var/lib/store"}}, {"type": "portmap"},
        ]});
        let mut file = json!({
            "kind": "cniCacheV1", "containerId": "c1", "ifName": "eth0", "networkName": "pods",
            "config": BASE64_STANDARD.encode(config.to_string()),
            "cniArgs": [["IgnoreUnknown", "1"], ["K8S_POD_NAMESPACE", "default"], ["K8S_POD_NAME", "web-0"]],
            "capabilityArgs": {"dns": {}},
            "result": {
                "cniVersion": "1.1.0", "interfaces": [{"name": "veth1"}, {"name": "eth0", "sandbox": "/proc/7/ns/net"}],
                "ips": [{"address": "192.168.0.5/24", "gateway": "192.168.0.253", "interface": 1}],
            },
        });
        change(&mut file);
        file.to_string()
    }

    fn parsed(change: impl FnOnce(&mut Value)) -> Result<CachedAttachment, String> {
        CachedAttachment::parse(&file(change), Path::new("/cache"), None)
    }

    #[test]
    fn an_attachment_is_read_whole() {
        let found = parsed(|_| {}).unwrap();
        assert_eq!((found.owner.to_string().as_str(), found.network.as_str()), ("c1/eth0", "pods"));
        let expected = Address {
            address: "192.168.0.5/24".parse().unwrap(),
            gateway: Some("192.168.0.253".parse().unwrap()),
        };
        assert_eq!(found.addresses, [expected]);
        assert_eq!(found.user(), "pod default/web-0 (container c1, eth0)");
        assert_eq!(found.store, Some("/var/lib/store".into()));
        assert_eq!(found.links, ["veth1"]);
    }

    #[test]
    fn results_of_old_versions_are_read_and_missing_parts_are_none() {
        let old =
            json!({"cniVersion": "0.2.0", "ip4": {"ip": "10.0.0.5/24"}, "ip6": {"ip": "2001:db8::5/64"}});
        let found = parsed(|it| it["result"] = old).unwrap();
        let ips: Vec<_> = found.addresses.iter().map(|it| it.address.ip().to_string()).collect();
        assert_eq!(ips, ["10.0.0.5", "2001:db8::5"]);
        for part in ["result", "cniArgs", "networkName", "capabilityArgs"] {
            assert!(parsed(|it| drop(it.as_object_mut().unwrap().remove(part))).is_ok(), "{part}");
        }
        assert_eq!(parsed(|it| it["cniArgs"] = Value::Null).unwrap().user(), "container c1, eth0");
    }

    #[test]
    fn the_store_is_that_of_this_plugin_only() {
        let of = |config: &Value| ipam_of(&BASE64_STANDARD.encode(config.to_string()));
        let usual = json!({"type": "ptp", "ipam": {"type": "aliyun-eni-ipam"}});
        assert_eq!(of(&usual).1, Some("/var/lib/cni/aliyun-eni-ipam".into()));
        let other = json!({"plugins": [{"type": "bridge", "ipam": {"type": "host-local", "dataDir": "/d"}}]});
        assert_eq!(of(&other), ("host-local".to_owned(), None));
        let relative = json!({"ipam": {"type": "aliyun-eni-ipam", "dataDir": "store"}});
        assert_eq!(of(&relative).1, None);
        assert_eq!(of(&json!({"type": "loopback"})).0, "no IPAM plugin");
        for broken in ["", "%", "e30", "W10=", "eyJwbHVnaW5zIjo1fQ=="] {
            assert_eq!(ipam_of(broken).1, None, "{broken}");
        }
    }

    #[test]
    fn what_is_no_file_of_libcni_is_refused() {
        let changes: [fn(&mut Value); 12] = [
            |it| it["containerId"] = "c".repeat(MAX_NAME_BYTES + 1).into(),
            |it| it["networkName"] = "n".repeat(MAX_NAME_BYTES + 1).into(),
            |it| it["result"]["ips"] = vec![json!({"address": "10.0.0.1/24"}); MAX_ADDRESSES + 1].into(),
            |it| it["kind"] = "cniCacheV2".into(),
            |it| drop(it.as_object_mut().unwrap().remove("kind")),
            |it| it["containerId"] = "../c1".into(),
            |it| it["ifName"] = "".into(),
            |it| it["ifName"] = 5.into(),
            |it| it["result"]["ips"] = 5.into(),
            |it| it["result"]["ips"][0]["address"] = "192.168.0.5".into(),
            |it| it["cniArgs"] = json!([["one"]]),
            |it| *it = json!([]),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            assert!(parsed(change).is_err(), "{number}");
        }
        let whole = file(|_| {});
        for length in 0..whole.len() {
            let part = whole.get(..length).unwrap_or_default();
            assert!(CachedAttachment::parse(part, Path::new("/cache"), None).is_err(), "{part}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_and_hides_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let results = directory.path().join("results");
        let mut unseen = Vec::new();
        assert!(CniCache::read(directory.path(), &mut unseen).attachments.is_empty());
        assert_eq!(unseen, [format!("{}: it does not exist", results.display())]);

        fs::create_dir_all(directory.path().join("multus/results")).unwrap();
        fs::create_dir(&results).unwrap();
        fs::write(results.join("pods-c1-eth0"), file(|_| {})).unwrap();
        fs::write(
            directory.path().join("multus/results/pods-c2-net1"),
            file(|it| it["containerId"] = "c2".into()),
        )
        .unwrap();
        fs::write(results.join("half"), &file(|_| {})[..100]).unwrap();
        fs::write(results.join("large"), vec![b' '; usize::try_from(MAX_BYTES).unwrap() + 1]).unwrap();
        fs::create_dir(results.join("directory")).unwrap();
        std::os::unix::fs::symlink(results.join("pods-c1-eth0"), results.join("link")).unwrap();
        let mut unseen = Vec::new();
        let cache = CniCache::read(directory.path(), &mut unseen);
        let owners: Vec<_> = cache.attachments.iter().map(|it| it.owner.container_id.as_str()).collect();
        assert_eq!(owners, ["c1", "c2"]);
        assert_eq!(unseen.len(), 4, "{unseen:?}");
        for (said, name) in unseen.iter().zip(["directory", "half", "large", "link"]) {
            assert!(said.starts_with(&format!("{}: ", results.join(name).display())), "{said}");
        }
    }
}
