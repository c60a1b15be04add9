//! Which store of this machine an ENI belongs to.
//!
//! Two stores on one ENI do not know of each other: a release of the one may come late and take an address from a pod of the
//! other. So the first ADD after a boot leaves a claim in `/run`, which is empty after a boot: a file with the name of the ENI
//! that names the store. An ADD of another store is refused as long as the claimed one is there and has anything of this ENI.
//! Nothing but an ADD and `doctor` looks at claims, and where there can be none, because this process is not root's, there is no guard.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::deadline::Deadline;
use crate::base::eni::EniId;
use crate::store::error::{Error, Result};
use crate::store::{Store, file, lock, schema, trust};

/// Where the claims are.
const CLAIMS: &str = "/run/aliyun-eni-ipam";

/// How often a claim may change hands while one call looks at it.
const TRIES: usize = 5;

/// The content of a claim.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claim {
    data_dir: PathBuf,
}

impl Store {
    /// Claims `eni` for this store. `cloud` is the address of a server on this machine that stands for the cloud: its ENIs are
    /// not those of the same names elsewhere. The intent of this ADD is in the store already, by which others see that the claim
    /// is in use.
    ///
    /// # Errors
    /// [`Error::Claimed`].
    pub fn claim(&self, eni: &EniId, cloud: Option<&str>, deadline: Deadline) -> Result<()> {
        match self.try_to_claim(eni, &path_of(eni, cloud), deadline) {
            Err(claimed @ Error::Claimed { .. }) => Err(claimed),
            Err(error) => {
                log::debug!("{eni} is not claimed: {error}");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// The other store that has claimed `eni` and has anything of it. It changes nothing.
    ///
    /// # Errors
    /// When this process may not look at claims.
    pub fn claimed_by_another(&self, eni: &EniId, cloud: Option<&str>) -> Result<Option<PathBuf>> {
        let Some(content) = file::read(&path_of(eni, cloud))? else { return Ok(None) };
        let holder = serde_json::from_slice::<Claim>(&content).map(|it| it.data_dir).unwrap_or_default();
        let is_this = holder == self.directory || is_one_directory(&holder, &self.directory);
        Ok((!is_this && has_records_of(&holder, eni)).then_some(holder))
    }

    fn try_to_claim(&self, eni: &EniId, path: &Path, deadline: Deadline) -> Result<()> {
        let directory = Path::new(CLAIMS);
        for _ in 0..TRIES {
            let Some(content) = file::read(path)? else {
                make_directory(directory)?;
                let draft = file::Draft::write(directory, &self.encode_claim(path)?, |_| Ok(()))?;
                if draft.claim(path)?.is_some() {
                    return Ok(());
                }
                continue;
            };
            let holder = serde_json::from_slice::<Claim>(&content).map(|it| it.data_dir).unwrap_or_default();
            if holder == self.directory || is_one_directory(&holder, &self.directory) {
                return Ok(());
            }
            if has_records_of(&holder, eni) {
                return Err(self.claimed(eni, holder));
            }
            // One store takes it over at a time.
            let _lock = lock::wait(&directory.join("lock"), deadline)?;
            if file::read(path)?.as_ref() != Some(&content) {
                continue;
            }
            file::replace(path, &self.encode_claim(path)?)?;
            // An ADD of that store may have begun, and seen its own claim, before it was replaced.
            if has_records_of(&holder, eni) {
                file::replace(path, &content)?;
                return Err(self.claimed(eni, holder));
            }
            return Ok(());
        }
        Ok(())
    }

    fn encode_claim(&self, path: &Path) -> Result<Vec<u8>> {
        schema::encode(&Claim { data_dir: self.directory.clone() }, path)
    }

    fn claimed(&self, eni: &EniId, by: PathBuf) -> Error {
        Error::Claimed { eni: eni.clone(), by, this: self.directory.clone() }
    }
}

fn path_of(eni: &EniId, cloud: Option<&str>) -> PathBuf {
    let name = cloud.map_or_else(|| eni.to_string(), |cloud| format!("{eni}@{cloud}"));
    Path::new(CLAIMS).join(name)
}

/// The parent is the system's, and is not made where it is missing.
fn make_directory(directory: &Path) -> Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(Error::io("create the directory", directory)(error))
        }
        _ => trust::check_directory(directory),
    }
}

/// Whether two paths lead to one directory.
fn is_one_directory(one: &Path, other: &Path) -> bool {
    let real = |path| fs::canonicalize(path).unwrap_or_default();
    file::is_same(&real(one), &real(other))
}

/// Whether a store has anything of `eni`. What cannot be read may be of it, and so may an ADD that has not chosen its ENI yet.
fn has_records_of(directory: &Path, eni: &EniId) -> bool {
    if !directory.is_dir() {
        return false;
    }
    let listed = Store::open(directory).and_then(|store| store.list());
    listed.map_or(true, |all| all.iter().any(|it| it.allocation.as_ref().is_none_or(|it| it.eni == *eni)))
}
