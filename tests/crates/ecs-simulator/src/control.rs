//! The control API: the [`Simulator`](crate::Simulator)'s methods over HTTP, for tests in other languages.
//!
//! The crate's documentation lists the commands.

use std::time::Duration;

use serde_json::{Value, json};

use crate::end::lock;
use crate::faults::{Effect, Fault};
use crate::fields::{Fields, required};
use crate::http::{Request, Response};
use crate::named_faults::NamedFault;
use crate::shared::Shared;

/// Carries out a command.
pub(crate) fn answer(shared: &Shared, request: &Request, command: &str) -> Response {
    let outcome = match request.method.as_str() {
        "GET" => look(shared, request, command),
        "POST" => serde_json::from_slice(&request.body)
            .or_else(|error| if request.body.is_empty() { Ok(Value::Null) } else { Err(error) })
            .map_err(|error| error.to_string())
            .and_then(|body| change(shared, command, &body)),
        _ => return Response::text(405, ""),
    };
    match outcome {
        Ok(Some(value)) => Response::json(200, &value),
        Ok(None) => Response::json(404, &json!({"error": format!("no such command: {command}")})),
        Err(message) => Response::json(400, &json!({"error": message})),
    }
}

fn look(shared: &Shared, request: &Request, command: &str) -> Result<Option<Value>, String> {
    let parameter = |name: &str| {
        let found = request.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        required(name, found)
    };
    let value = match command {
        "ledger" => shared.ledger.entries().iter().map(crate::Entry::to_json).collect(),
        "count" => json!(shared.ledger.count(parameter("action")?)),
        "overlaps" => json!(shared.busy.overlaps()),
        "metadata-requests" => json!(lock(&shared.metadata).requests),
        "addresses" => {
            let id = parameter("eni")?;
            let cloud = lock(&shared.cloud);
            json!(cloud.world.enis.get(id).ok_or_else(|| no_eni(id))?.addresses)
        }
        _ => return Ok(None),
    };
    Ok(Some(value))
}

fn change(shared: &Shared, command: &str, body: &Value) -> Result<Option<Value>, String> {
    match command {
        "clear" => {
            shared.ledger.clear();
            lock(&shared.metadata).requests.clear();
            lock(&shared.faults).clear();
        }
        "faults" => {
            for fault in one_or_many(body, fault)? {
                lock(&shared.faults).add(fault);
            }
        }
        _ if command.starts_with("fault/") => {
            let kind = command.trim_start_matches("fault/");
            let fault = (kind != "none").then(|| NamedFault::find(kind)).transpose()?;
            let mut faults = lock(&shared.faults);
            faults.clear();
            fault.into_iter().flat_map(NamedFault::faults).for_each(|fault| faults.add(fault));
        }
        "metadata-faults" => {
            for (path, effect, times) in one_or_many(body, metadata_fault)? {
                lock(&shared.faults).add_for_path(&path, effect, times);
            }
        }
        "assign" | "unassign" => {
            let mut fields = Fields::of(body)?;
            let id = required("eni", fields.text("eni")?)?;
            let address = required("address", fields.parsed("address")?)?;
            fields.finish()?;
            let mut cloud = lock(&shared.cloud);
            let eni = cloud.world.enis.get_mut(&id).ok_or_else(|| no_eni(&id))?;
            if command == "assign" {
                eni.addresses.insert(address)
            } else {
                eni.addresses.remove(&address)
            };
        }
        "hold" => {
            let mut fields = Fields::of(body)?;
            let action = required("action", fields.text("action")?)?;
            fields.finish()?;
            shared.end.hold(&action);
        }
        "hold-late" => shared.end.hold_late(),
        "let-go" => shared.end.let_go(),
        "latency" => {
            let mut fields = Fields::of(body)?;
            let latency = required("ms", fields.milliseconds("ms")?)?;
            fields.finish()?;
            lock(&shared.cloud).world.latency = latency;
        }
        "clock" => {
            let mut fields = Fields::of(body)?;
            let seconds = required("offset_seconds", fields.number("offset_seconds")?)?;
            fields.finish()?;
            shared.clock.set_offset(seconds);
        }
        "world" => lock(&shared.cloud).world.apply_json(body)?,
        _ => return Ok(None),
    }
    Ok(Some(json!({})))
}

fn no_eni(id: &str) -> String {
    format!("the world has no ENI {id}")
}

/// Reads an array of things, or a single one.
fn one_or_many<T>(body: &Value, read: fn(&Value) -> Result<T, String>) -> Result<Vec<T>, String> {
    match body {
        Value::Array(members) => members.iter().map(read).collect(),
        single => Ok(vec![read(single)?]),
    }
}

fn fault(body: &Value) -> Result<Fault, String> {
    let mut fields = Fields::of(body)?;
    let fault = Fault {
        action: fields.text("action")?,
        eni: fields.text("eni")?,
        address: fields.parsed("address")?,
        remaining: fields.number("times")?,
        skip: fields.number("skip")?.unwrap_or(0),
        probability: fields.fraction("probability")?,
        effect: effect(&mut fields)?,
    };
    fields.finish()?;
    Ok(fault)
}

fn metadata_fault(body: &Value) -> Result<(String, Effect, Option<u32>), String> {
    let mut fields = Fields::of(body)?;
    let path = required("path", fields.text("path")?)?;
    let fault = (path, effect(&mut fields)?, fields.number("times")?);
    fields.finish()?;
    Ok(fault)
}

/// Reads the member `effect` and those that go with it.
fn effect(fields: &mut Fields) -> Result<Effect, String> {
    let name = required("effect", fields.text("effect")?)?;
    let mut time = || required("ms", fields.milliseconds("ms")?);
    let effect = match name.as_str() {
        "delay" => Effect::Delay(time()?),
        "delay_answer" => Effect::DelayAnswer(time()?),
        "late" => Effect::Late(time()?),
        "error" => error(fields)?,
        "html" => Effect::Html { status: fields.number("status")?.unwrap_or(502) },
        "empty" => Effect::Empty { status: fields.number("status")?.unwrap_or(200) },
        "drop_before" => Effect::DropBefore,
        "drop_after" => Effect::DropAfter,
        "stall" => Effect::Stall,
        "stall_after" => Effect::StallAfter,
        "html_502_after_acting" => Effect::Html502AfterActing,
        "garbage" => Effect::Garbage,
        "truncated_body" => Effect::TruncatedBody,
        "endless_body" => Effect::EndlessBody,
        "huge_headers" => Effect::HugeHeaders,
        _ => return Err(format!("unknown effect {name}")),
    };
    Ok(effect)
}

/// An error by its code, and with whatever else is said of it.
fn error(fields: &mut Fields) -> Result<Effect, String> {
    let code = required("code", fields.text("code")?)?;
    let known = crate::codes::find(&code);
    let wait: Option<Duration> = fields.milliseconds("retry_after_ms")?;
    Ok(Effect::Error {
        message: fields.text("message")?.or(known.map(|entry| entry.message.to_owned())).unwrap_or_default(),
        status: fields.number("status")?.or(known.map(|entry| entry.status)).unwrap_or(400),
        retry_after_ms: wait.map(|wait| wait.as_millis().try_into().unwrap_or(u64::MAX)),
        code,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_with_everything() {
        let written = json!({
            "action": "UnassignPrivateIpAddresses", "eni": "eni-1", "address": "192.168.0.7",
            "times": 2, "skip": 1, "probability": 0.5, "effect": "late", "ms": 40,
        });
        let expected = Fault::on("UnassignPrivateIpAddresses")
            .eni("eni-1")
            .address([192, 168, 0, 7].into())
            .times(2)
            .skip(1)
            .probability(0.5)
            .effect(Effect::Late(Duration::from_millis(40)));
        assert_eq!(fault(&written).unwrap(), expected);
    }

    #[test]
    fn an_error_is_completed_from_the_table() {
        let written = json!({"effect": "error", "code": "Throttling.User"});
        assert_eq!(fault(&written).unwrap(), Fault::code("Throttling.User"));
        let written = json!({"effect": "error", "code": "Own", "status": 418, "retry_after_ms": 1500});
        let Effect::Error { code, status, retry_after_ms, .. } = fault(&written).unwrap().effect else {
            panic!("not an error");
        };
        assert_eq!((code.as_str(), status, retry_after_ms), ("Own", 418, Some(1500)));
    }

    #[test]
    fn mistakes_are_named() {
        for (written, named) in [
            (json!({"effect": "explode"}), "unknown effect explode"),
            (json!({"effect": "late"}), "ms is missing"),
            (json!({"effect": "stall", "time": 1}), "unknown key time"),
            (json!({"effect": "error"}), "code is missing"),
            (json!({}), "effect is missing"),
        ] {
            assert_eq!(fault(&written).unwrap_err(), named);
        }
    }
}
