//! A running simulator and what a test can do with it.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;

use crate::cloud::Saved;
use crate::end::lock;
use crate::faults::{Effect, Fault};
use crate::ledger::Entry;
use crate::server::Server;
use crate::shared::Shared;
use crate::world::World;
use crate::{api, metadata, tls};

/// A simulator that is running. It stops when it is dropped: waiting requests are cut off, and all threads are gone.
#[derive(Debug)]
pub struct Simulator {
    shared: Arc<Shared>,
    scheme: &'static str,
    api: Server,
    metadata: Server,
}

impl Simulator {
    /// Starts on two free ports of the loopback interface.
    ///
    /// # Errors
    ///
    /// If no port can be listened on.
    pub fn start(world: World) -> io::Result<Self> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::start_on(world, any, any)
    }

    /// Starts on these addresses.
    ///
    /// # Errors
    ///
    /// If one of them cannot be listened on.
    pub fn start_on(world: World, api: SocketAddr, metadata: SocketAddr) -> io::Result<Self> {
        Self::listen(world, api, metadata, None)
    }

    /// Starts on two free ports, with TLS at the API's: a chain of certificates and the private key of the first one,
    /// both PEM, for instance [`LOOPBACK_CERTIFICATE`](crate::LOOPBACK_CERTIFICATE) and
    /// [`LOOPBACK_KEY`](crate::LOOPBACK_KEY).
    ///
    /// # Errors
    ///
    /// If no port can be listened on, or if certificates and key are no use.
    pub fn start_tls(world: World, cert_pem: &str, key_pem: &str) -> io::Result<Self> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::listen(world, any, any, Some(tls::config(cert_pem, key_pem)?))
    }

    fn listen(
        world: World,
        api: SocketAddr,
        metadata: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(world));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let api = Server::start(api, tls, Arc::clone(&shared), api::serve)?;
        // The first server waits for the end when it is dropped.
        let metadata = Server::start(metadata, None, Arc::clone(&shared), metadata::serve)
            .inspect_err(|_| shared.end.come())?;
        Ok(Self { shared, scheme, api, metadata })
    }

    /// The base URL of ECS and STS. A credentials URI is at `/credentials` under it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.api.address())
    }

    /// The base URL of the metadata service. The control API is at `/_control/` under it.
    #[must_use]
    pub fn metadata_endpoint(&self) -> String {
        format!("http://{}", self.metadata.address())
    }

    /// All API calls since the start or the last [`clear_ledger`](Self::clear_ledger).
    #[must_use]
    pub fn ledger(&self) -> Vec<Entry> {
        self.shared.ledger.entries()
    }

    /// The last call in the ledger that is meant, without a copy of the others.
    #[must_use]
    pub fn last_call(&self, is_meant: impl Fn(&Entry) -> bool) -> Option<Entry> {
        self.shared.ledger.last(is_meant)
    }

    /// Forgets the calls so far.
    pub fn clear_ledger(&self) {
        self.shared.ledger.clear();
    }

    /// How many calls of an action are in the ledger, refused ones included.
    #[must_use]
    pub fn count(&self, action: &str) -> usize {
        self.shared.ledger.count(action)
    }

    /// How often a mutation of an ENI was asked for while another one of the same ENI was under way.
    #[must_use]
    pub fn overlaps(&self) -> usize {
        self.shared.busy.overlaps()
    }

    /// The secondary IPv4 addresses and the IPv6 addresses on an ENI.
    ///
    /// # Panics
    ///
    /// If there is no such ENI.
    #[must_use]
    pub fn addresses(&self, eni: &str) -> BTreeSet<IpAddr> {
        self.with_world(|world| world.eni_mut(eni).addresses.clone())
    }

    /// Puts an address on an ENI behind the API's back.
    ///
    /// # Panics
    ///
    /// If there is no such ENI.
    pub fn assign(&self, eni: &str, address: IpAddr) {
        self.with_world(|world| world.eni_mut(eni).addresses.insert(address));
    }

    /// Takes an address off an ENI behind the API's back.
    ///
    /// # Panics
    ///
    /// If there is no such ENI.
    pub fn unassign(&self, eni: &str, address: IpAddr) {
        self.with_world(|world| world.eni_mut(eni).addresses.remove(&address));
    }

    /// Lets the descriptions of an ENI lag behind: from now on they show the addresses that it has now.
    ///
    /// # Panics
    ///
    /// If there is no such ENI.
    pub fn let_descriptions_lag(&self, eni: &str) {
        self.with_world(|world| {
            let eni = world.eni_mut(eni);
            eni.described = Some(eni.addresses.clone());
        });
    }

    /// Sets for how long the descriptions of an ENI do not show what a call has changed. What was changed before, they show
    /// from now on.
    ///
    /// # Panics
    ///
    /// If there is no such ENI.
    pub fn set_description_lag(&self, eni: &str, lag: Duration) {
        self.with_world(|world| {
            let eni = world.eni_mut(eni);
            eni.description_lag = lag;
            eni.changes.clear();
        });
    }

    /// Sets for how long instance metadata does not show what a call has changed on an ENI. What was changed before, it shows from now
    /// on.
    ///
    /// # Panics
    ///
    /// If there is no such ENI.
    pub fn set_metadata_lag(&self, eni: &str, lag: Duration) {
        self.with_world(|world| {
            let eni = world.eni_mut(eni);
            eni.metadata_lag = lag;
            eni.changes.clear();
        });
    }

    /// The addresses that were assigned under a `ClientToken`, none where nothing was.
    #[must_use]
    pub fn assigned_under(&self, client_token: &str) -> Vec<IpAddr> {
        let cloud = lock(&self.shared.cloud);
        cloud.assignments.get(client_token).map(|it| it.addresses.clone()).unwrap_or_default()
    }

    /// Changes the world, or looks at it. The simulator waits meanwhile: the closure must not call its methods.
    pub fn with_world<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut lock(&self.shared.cloud).world)
    }

    /// The state of the cloud.
    #[must_use]
    pub fn save(&self) -> Saved {
        Saved::of(&lock(&self.shared.cloud))
    }

    /// Puts the cloud back into a state that it had. The ledger goes on.
    pub fn restore(&self, saved: &Saved) {
        saved.restore(&mut lock(&self.shared.cloud));
    }

    /// Waits until every request that has been sent is dealt with, those of clients that were killed included.
    ///
    /// # Errors
    ///
    /// If the simulator cannot be reached.
    pub fn wait_until_idle(&self) -> io::Result<()> {
        self.api.catch_up()?;
        self.metadata.catch_up()?;
        self.shared.end.wait_until_idle();
        Ok(())
    }

    /// Has something go wrong. Faults are tried in the order in which they were injected.
    pub fn inject(&self, fault: Fault) {
        lock(&self.shared.faults).add(fault);
    }

    /// Has something go wrong with requests of the metadata service whose path begins so, and with those for
    /// `/credentials`; `None`: always. [`Effect::Error`] gives its status and message without a document.
    pub fn inject_metadata(&self, path_prefix: &str, effect: Effect, times: impl Into<Option<u32>>) {
        lock(&self.shared.faults).add_for_path(path_prefix, effect, times.into());
    }

    /// Ends all faults, those of the metadata service included. What already struck a request goes on.
    pub fn clear_faults(&self) {
        lock(&self.shared.faults).clear();
    }

    /// Holds back all requests of an action from now on. They are in the ledger, but nothing happens to them, and their
    /// ENI is not busy, until [`let_go`](Self::let_go): a slow cloud for a test that need not know how slow.
    pub fn hold(&self, action: &str) {
        self.shared.end.hold(action);
    }

    /// Holds back from now on what is late ([`Effect::Late`]) and would act otherwise, and what is to be held
    /// ([`Effect::Hold`]), until [`let_go`](Self::let_go): a request whose caller is gone comes when a test wants it to.
    pub fn hold_late(&self) {
        self.shared.end.hold_late();
    }

    /// Handles what is held back, and holds nothing back any more.
    pub fn let_go(&self) {
        self.shared.end.let_go();
    }

    /// Sets how long each API call takes. A mutation keeps its ENI busy meanwhile.
    pub fn set_latency(&self, latency: Duration) {
        self.with_world(|world| world.latency = latency);
    }

    /// Moves the server's clock against the system's.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.shared.clock.set_offset(seconds);
    }

    /// The requests of the metadata service so far: method, path, and whether a token was sent.
    #[must_use]
    pub fn metadata_requests(&self) -> Vec<(String, String, bool)> {
        lock(&self.shared.metadata).requests.clone()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // The servers, which are dropped next, wait for their threads.
        self.shared.end.come();
    }
}
