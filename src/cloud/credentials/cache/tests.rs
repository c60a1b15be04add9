//! The cache with threads in place of processes: a lock is of an open file, so they exclude each other the same way.

use std::os::unix::fs::PermissionsExt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::*;

fn key(id: &str) -> AccessKey {
    AccessKey::temporary(id, "secret", "token", Some(in_an_hour()))
}

/// To the second, as it is cached; the same one for all keys, or two that are equal would differ when a second ends between
/// them.
fn in_an_hour() -> SystemTime {
    static NOW: LazyLock<u64> =
        LazyLock::new(|| SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs());
    SystemTime::UNIX_EPOCH + Duration::from_secs(*NOW + 3600)
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(10))
}

fn cache(directory: &tempfile::TempDir) -> Cache {
    Cache::new(Some(directory.path().to_owned()))
}

fn json(directory: &tempfile::TempDir) -> PathBuf {
    Slot::new(directory.path(), "i").path("json")
}

#[test]
fn many_at_once_fetch_one_key() {
    let directory = tempfile::tempdir().unwrap();
    let fetches = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                let fetch = || {
                    thread::sleep(Duration::from_millis(20));
                    fetches.fetch_add(1, Ordering::SeqCst);
                    Ok(key("STS.1"))
                };
                assert_eq!(cache(&directory).obtain("i", None, soon(), fetch).unwrap().0, key("STS.1"));
            });
        }
    });
    assert_eq!(fetches.into_inner(), 1);
}

#[test]
fn many_that_were_refused_the_same_key_fetch_one_new_one() {
    let directory = tempfile::tempdir().unwrap();
    cache(&directory).obtain("i", None, soon(), || Ok(key("STS.old"))).unwrap();
    let fetches = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                let fetch = || {
                    fetches.fetch_add(1, Ordering::SeqCst);
                    Ok(key("STS.new"))
                };
                let refused = key("STS.old");
                let obtained = cache(&directory).obtain("i", Some(&refused), soon(), fetch).unwrap();
                assert_eq!(obtained.0.access_key_id, "STS.new");
            });
        }
    });
    assert_eq!(fetches.into_inner(), 1);
}

#[test]
fn origins_do_not_get_each_others_keys() {
    let directory = tempfile::tempdir().unwrap();
    cache(&directory).obtain("i", None, soon(), || Ok(key("STS.1"))).unwrap();
    let other = cache(&directory).obtain("j", None, soon(), || Ok(key("STS.2"))).unwrap();
    assert_eq!((other.0.access_key_id.as_str(), other.1), ("STS.2", false));
    let same = cache(&directory).obtain("i", None, soon(), || Ok(key("STS.3"))).unwrap();
    assert_eq!((same.0.access_key_id.as_str(), same.1), ("STS.1", true));
}

#[test]
fn the_files_are_the_owners_alone_and_no_other_ones_are_left() {
    let directory = tempfile::tempdir().unwrap();
    cache(&directory).obtain("i", None, soon(), || Ok(key("STS.1"))).unwrap();
    let files: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(files.len(), 2);
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
}

#[test]
fn a_key_that_others_could_have_written_is_not_used() {
    let directory = tempfile::tempdir().unwrap();
    cache(&directory).obtain("i", None, soon(), || Ok(key("STS.1"))).unwrap();
    fs::set_permissions(json(&directory), fs::Permissions::from_mode(0o666)).unwrap();
    let obtained = cache(&directory).obtain("i", None, soon(), || Ok(key("STS.2"))).unwrap();
    assert_eq!(obtained.0.access_key_id, "STS.2");
    assert_eq!(fs::metadata(json(&directory)).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_torn_file_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    for text in ["", "{", "\0\0\0\0", "[]"] {
        fs::write(json(&directory), text).unwrap();
        fs::set_permissions(json(&directory), fs::Permissions::from_mode(0o600)).unwrap();
        let obtained = cache(&directory).obtain("i", None, soon(), || Ok(key("STS.1"))).unwrap();
        assert!(!obtained.1, "{text:?}");
    }
}

#[test]
fn an_old_key_serves_while_no_new_one_can_be_had() {
    let directory = tempfile::tempdir().unwrap();
    let fetched = SystemTime::now() - Duration::from_hours(2);
    Slot::new(directory.path(), "i").write(&CachedKey { key: key("STS.1"), fetched });
    let failing = || Err(Error::transient("the service is down"));
    let obtained = cache(&directory).obtain("i", None, soon(), failing).unwrap();
    assert_eq!((obtained.0.access_key_id.as_str(), obtained.1), ("STS.1", true));
    assert!(cache(&directory).obtain("i", Some(&key("STS.1")), soon(), failing).is_err());
}

#[test]
fn nobody_waits_for_another_process_past_the_deadline() {
    let directory = tempfile::tempdir().unwrap();
    let Ok(_held) = Slot::new(directory.path(), "i").lock(soon()) else { panic!("nobody else locks") };
    let started = std::time::Instant::now();
    let result =
        cache(&directory).obtain("i", None, Deadline::after(Duration::from_millis(100)), || Ok(key("STS.1")));
    assert!(result.unwrap_err().transient);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn without_a_usable_directory_keys_are_fetched_each_time() {
    for directory in [None, Some(PathBuf::from("/proc/self/fd")), Some(PathBuf::from("/nowhere/at/all"))] {
        let obtained = Cache::new(directory).obtain("i", None, soon(), || Ok(key("STS.1"))).unwrap();
        assert!(!obtained.1);
    }
}
