//! The cloud itself, for whoever simulates the network, the time and the quotas around it.

use crate::http::{Request, Response};
use crate::shared::Shared;
use crate::world::World;
use crate::{api, metadata};

/// A simulator without sockets, time, faults and a ledger: it answers at once.
#[derive(Debug)]
pub struct Offline(Shared);

/// What is answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The document.
    pub body: Vec<u8>,
}

impl Offline {
    /// A cloud in this state.
    #[must_use]
    pub fn new(world: World) -> Self {
        Self(Shared::new(world))
    }

    /// The answer of ECS and STS to a request for a path with a query.
    #[must_use]
    pub fn ask<'a>(
        &self,
        method: &str,
        target: &str,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Reply {
        api::answer_at_once(&self.0, &request(method, target, headers)).into()
    }

    /// The answer of instance metadata.
    #[must_use]
    pub fn ask_metadata<'a>(
        &self,
        method: &str,
        target: &str,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Reply {
        metadata::answer(&self.0, &request(method, target, headers)).into()
    }

    /// Changes the world, or looks at it.
    pub fn with_world<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut crate::end::lock(&self.0.cloud).world)
    }
}

fn request<'a>(method: &str, target: &str, headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Request {
    let headers = headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    Request::new(method, target, headers.collect())
}

impl From<Response> for Reply {
    fn from(Response { status, body, .. }: Response) -> Self {
        Self { status, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_answers_without_a_socket() {
        let cloud = Offline::new(World::single_node());
        let unsigned = cloud.ask("POST", "/?Action=DescribeRegions&Version=2014-05-26", []);
        assert_eq!(unsigned.status, 403, "{}", String::from_utf8_lossy(&unsigned.body));
        let id = cloud.ask_metadata("GET", "/latest/meta-data/instance-id", []);
        assert_eq!((id.status, id.body), (200, World::INSTANCE_ID.into()));
    }
}
