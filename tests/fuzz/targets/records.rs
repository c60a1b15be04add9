//! A file of the store, in every place that it can have.

#![no_main]

use std::fs;
use std::sync::LazyLock;
use std::time::Duration;

use aliyun_eni_ipam::inside::base::Deadline;
use aliyun_eni_ipam::inside::base::EniId;
use aliyun_eni_ipam::inside::store::{State, Store};
use harness::World;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

/// Where the entries of the ENI are.
fn reserved() -> String {
    format!("reserved/{}", World::SECONDARY_ENI)
}

static DIRECTORY: LazyLock<TempDir> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("there is room for a store");
    for state in ["assigning", "active", "releasing", "eni", &reserved()] {
        fs::create_dir_all(directory.path().join(state)).expect("there is room for a directory");
    }
    directory
});

fuzz_target!(|content: &[u8]| {
    let directory = DIRECTORY.path();
    let eni = EniId::try_from(World::SECONDARY_ENI.to_owned()).expect("it is one");
    let of_eni = [format!("eni/{eni}.json"), format!("{}/192.168.0.7", reserved())];
    for name in ["assigning/key", "active/key", "releasing/key.unique"]
        .into_iter()
        .chain(of_eni.iter().map(String::as_str))
    {
        fs::write(directory.join(name), content).expect("there is room for a file");
    }
    let store = Store::open(directory).expect("it is nobody else's");
    let listed = store.list().expect("a damaged file is listed as one");
    // An entry of the reserve is no record of its own where another record has its address.
    assert!(listed.len() >= 3);
    assert_eq!(store.count(State::Reserved).expect("the directory can be read"), 1);
    let sound = listed.iter().filter(|it| it.state == State::Releasing).count();
    let eni_lock = store.lock_eni(&eni, Deadline::after(Duration::from_secs(5)));
    // Unless a later version has written it, the ENI's state never keeps anybody from a release.
    if let Ok(eni_lock) = eni_lock {
        assert!(eni_lock.releasing().expect("the directory can be read").len() <= sound);
    }
    let _ = store.release_dead_intents(Deadline::after(Duration::from_secs(5)), |_| true);
    for state in ["assigning", "active", "releasing", "quarantine", &reserved()] {
        for file in fs::read_dir(directory.join(state)).into_iter().flatten().flatten() {
            fs::remove_file(file.path()).expect("it is a file");
        }
    }
});
