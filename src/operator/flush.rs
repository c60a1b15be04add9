//! `flush`: what is releasing is released, and what interrupted ADDs left is undone; for a timer.

use serde_json::json;

use super::{Trouble, say};
use crate::config::Ipam;
use crate::failure::Failure;
use crate::session::Session;
use crate::store::{Listed, State};

/// Tries every release at once, whatever failed before. Addresses that must not be released yet are left alone.
pub(super) fn flush(ipam: Ipam<'_>, as_json: bool) -> Result<(), Trouble> {
    let session = Session::open(ipam)?;
    session.store.sweep().map_err(Failure::from)?;
    let buried = session.store.bury_dead(session.deadline, |_| true);
    session.drain(true)?;
    buried.map_err(Failure::from)?;
    let left: Vec<Listed> = session.store.list().map_err(Failure::from)?;
    let left: Vec<_> = left.iter().filter(|listed| listed.state == State::Releasing).collect();
    if as_json {
        say(json!({ "left": left.len() }))?;
    } else {
        for listed in &left {
            let error = listed.progress.last_error.as_deref().unwrap_or("it must not be released yet");
            say(format!("{} is still releasing: {error}", listed.path.display()))?;
        }
    }
    if left.is_empty() { Ok(()) } else { Err(Trouble::LeftOver) }
}
