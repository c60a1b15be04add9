//! The instance metadata service, and the credentials URI, which answers in the same form.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::cloud::Cloud;
use crate::control;
use crate::end::lock;
use crate::faults::Effect;
use crate::http::{Connection, Request, Response};
use crate::shared::Shared;
use crate::spoil;
use crate::world::{Eni, TokenMode, World};

const TOKEN_PATH: &str = "/latest/api/token";
const TOKEN_HEADER: &str = "x-aliyun-ecs-metadata-token";
const TTL_HEADER: &str = "x-aliyun-ecs-metadata-token-ttl-seconds";

/// What is listed under `meta-data/`.
const ITEMS: &[&str] = &[
    "instance-id",
    "instance/",
    "mac",
    "network/",
    "private-ipv4",
    "ram/",
    "region-id",
    "vpc-cidr-block",
    "vpc-id",
    "vswitch-cidr-block",
    "vswitch-id",
    "zone-id",
];

/// What is listed under `network/interfaces/macs/<mac>/`, where the ENI has it.
const ENI_ITEMS: &[&str] = &[
    "gateway",
    "ipv6-gateway",
    "ipv6s",
    "netmask",
    "network-interface-id",
    "primary-ip-address",
    "private-ipv4s",
    "vpc-cidr-block",
    "vpc-id",
    "vpc-ipv6-cidr-blocks",
    "vswitch-cidr-block",
    "vswitch-id",
    "vswitch-ipv6-cidr-block",
];

/// What the service remembers.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    /// Session tokens and when they end.
    tokens: BTreeMap<String, SystemTime>,
    /// Method, path, and whether a token was sent.
    pub(crate) requests: Vec<(String, String, bool)>,
}

/// Handles a request at the metadata service's port.
pub(crate) fn serve(shared: &Shared, request: &Request, connection: &mut Connection<'_>) -> io::Result<()> {
    if let Some(command) = request.path.strip_prefix("/_control/") {
        return connection.respond(&control::answer(shared, request, command));
    }
    let had_token = request.header(TOKEN_HEADER).is_some();
    lock(&shared.metadata).requests.push((request.method.clone(), request.path.clone(), had_token));
    with_faults(shared, request, connection, || answer(shared, request))
}

/// Handles a request for a credentials URI at the API's port.
pub(crate) fn serve_credentials(
    shared: &Shared,
    request: &Request,
    connection: &mut Connection<'_>,
) -> io::Result<()> {
    with_faults(shared, request, connection, || {
        let mut cloud = lock(&shared.cloud);
        let Cloud { world, sessions, .. } = &mut *cloud;
        Response::json(200, &sessions.of_node(world, shared.clock.now()).document())
    })
}

/// Answers, unless a fault says otherwise. Nothing is ever changed here, so faults that act first are like those that do
/// not.
fn with_faults(
    shared: &Shared,
    request: &Request,
    connection: &mut Connection<'_>,
    answer: impl FnOnce() -> Response,
) -> io::Result<()> {
    let effects = lock(&shared.faults).strike_path(&request.path);
    for effect in effects {
        match effect {
            Effect::Delay(time) | Effect::DelayAnswer(time) => shared.end.wait(time)?,
            Effect::Hold => shared.end.wait_while_late_held()?,
            Effect::Error { status, message, .. } => {
                return connection.respond(&Response::text(status, message));
            }
            Effect::DropBefore | Effect::DropAfter | Effect::Late(_) => {
                connection.close();
                return Ok(());
            }
            Effect::Stall | Effect::StallAfter => {
                connection.hang();
                return Ok(());
            }
            other => return spoil::answer(connection, &other, &shared.end),
        }
    }
    connection.respond(&answer())
}

/// The answer to a request, without faults.
pub(crate) fn answer(shared: &Shared, request: &Request) -> Response {
    match (request.method.as_str(), request.path.as_str()) {
        ("PUT", TOKEN_PATH) => issue_token(shared, request),
        ("GET", path) => match refusal(shared, request) {
            Some(status) => Response::text(status, ""),
            None => item(&mut lock(&shared.cloud), shared.clock.now(), path)
                .map_or_else(|| Response::text(404, ""), |text| Response::text(200, text)),
        },
        _ => Response::text(405, ""),
    }
}

/// Issues a session token, but not through a proxy.
fn issue_token(shared: &Shared, request: &Request) -> Response {
    if request.header("x-forwarded-for").is_some() {
        return Response::text(403, "");
    }
    let ttl = request.header(TTL_HEADER).and_then(|text| text.parse().ok());
    let Some(ttl) = ttl.filter(|ttl| (1..=21_600).contains(ttl)) else { return Response::text(400, "") };
    let mut metadata = lock(&shared.metadata);
    let token = format!("SimulatedMetadataToken{:06}==", metadata.tokens.len() + 1);
    metadata.tokens.insert(token.clone(), shared.clock.now() + Duration::from_secs(ttl));
    Response::text(200, token)
}

/// The status by which a request is refused for its token, or for the lack of one.
fn refusal(shared: &Shared, request: &Request) -> Option<u16> {
    let Some(token) = request.header(TOKEN_HEADER) else {
        let mode = lock(&shared.cloud).world.token_mode;
        return (mode == TokenMode::Required).then_some(403);
    };
    let metadata = lock(&shared.metadata);
    let valid = metadata.tokens.get(token).is_some_and(|end| shared.clock.now() < *end);
    (!valid).then_some(401)
}

/// The text at a path.
fn item(cloud: &mut Cloud, now: SystemTime, path: &str) -> Option<String> {
    let path = path.strip_prefix("/latest/meta-data")?.trim_matches('/');
    let parts: Vec<_> = path.split('/').collect();
    let Cloud { world, sessions, .. } = cloud;
    let role = Some(&world.role.name).filter(|name| !name.is_empty());
    match *parts.as_slice() {
        [""] => Some(ITEMS.join("\n")),
        ["network"] => Some("interfaces/".to_owned()),
        ["network", "interfaces"] => Some("macs/".to_owned()),
        ["network", "interfaces", "macs"] => {
            let macs: Vec<_> = world.attached_enis().iter().map(|eni| format!("{}/", eni.mac)).collect();
            Some(macs.join("\n"))
        }
        ["network", "interfaces", "macs", mac] => {
            let eni = eni(world, mac)?;
            let items: Vec<_> =
                ENI_ITEMS.iter().copied().filter(|name| eni_item(world, eni, name).is_some()).collect();
            Some(items.join("\n"))
        }
        ["network", "interfaces", "macs", mac, name] => eni_item(world, eni(world, mac)?, name),
        ["ram"] => role.map(|_| "security-credentials/".to_owned()),
        ["ram", "security-credentials"] => role.cloned(),
        ["ram", "security-credentials", name] => {
            role.filter(|own| *own == name).map(|_| sessions.of_node(world, now).document().to_string())
        }
        _ => node_item(world, path),
    }
}

fn eni<'a>(world: &'a World, mac: &str) -> Option<&'a Eni> {
    world.attached_enis().into_iter().find(|eni| eni.mac == mac)
}

/// What there is to say of the node. Where that depends on an ENI, the primary one is meant.
fn node_item(world: &World, name: &str) -> Option<String> {
    let eth0 = world.attached_enis().into_iter().next();
    let text = match name {
        "region-id" => world.region_id.clone(),
        "zone-id" => world.zone_id.clone(),
        "instance-id" => world.instance.id.clone(),
        "instance" => "instance-type".to_owned(),
        "instance/instance-type" => world.instance.instance_type.clone(),
        "mac" => eth0?.mac.clone(),
        "private-ipv4" => eth0?.primary_ip.to_string(),
        "vpc-id" | "vswitch-id" | "vpc-cidr-block" | "vswitch-cidr-block" => eni_item(world, eth0?, name)?,
        _ => return None,
    };
    Some(text)
}

fn eni_item(world: &World, eni: &Eni, name: &str) -> Option<String> {
    let vswitch = world.vswitches.get(&eni.vswitch_id)?;
    let text = match name {
        "network-interface-id" => eni.id.clone(),
        "primary-ip-address" => eni.primary_ip.to_string(),
        "private-ipv4s" => json!(eni.ipv4s_of_metadata().collect::<Vec<_>>()).to_string(),
        "ipv6s" => unquoted(eni.ipv6s_of_metadata())?,
        "netmask" => vswitch.cidr.mask().to_string(),
        "gateway" => vswitch.gateway.to_string(),
        "ipv6-gateway" => vswitch.gateway6?.to_string(),
        "vswitch-id" => vswitch.id.clone(),
        "vswitch-cidr-block" => vswitch.cidr.to_string(),
        "vswitch-ipv6-cidr-block" => vswitch.cidr6?.to_string(),
        "vpc-id" => world.vpc.id.clone(),
        "vpc-cidr-block" => world.vpc.cidr.to_string(),
        "vpc-ipv6-cidr-blocks" => unquoted(world.vpc.cidr6.iter())?,
        _ => return None,
    };
    Some(text)
}

/// A list as the service writes those of IPv6: `[a,b]`, and nothing at all where it would be empty.
fn unquoted(items: impl Iterator<Item = impl Display>) -> Option<String> {
    let items: Vec<_> = items.map(|item| item.to_string()).collect();
    (!items.is_empty()).then(|| format!("[{}]", items.join(",")))
}
