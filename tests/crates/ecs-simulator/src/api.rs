//! The API's port: a call from its arrival to its end, faults included.

use std::io;

use crate::actions::{Action, Context, Outcome, host_id};
use crate::authenticate::{Caller, authenticate, claimed};
use crate::end::{Ended, lock};
use crate::error::ApiError;
use crate::faults::{Effect, Target};
use crate::http::{Connection, Request, Response};
use crate::ledger::Entry;
use crate::rpc::Call;
use crate::shared::{Shared, request_id};
use crate::{metadata, render, spoil};

/// Handles a request at the API's port.
pub(crate) fn serve(shared: &Shared, request: &Request, connection: &mut Connection<'_>) -> io::Result<()> {
    match request.path.as_str() {
        "/" | "" => Exchange::begin(shared, request, connection).run(request),
        "/credentials" => metadata::serve_credentials(shared, request, connection),
        _ => connection.respond(&Response::text(404, "")),
    }
}

/// A call in the course of being handled.
struct Exchange<'a, 'c> {
    shared: &'a Shared,
    connection: &'a mut Connection<'c>,
    call: Call,
    request_id: String,
    /// The ledger's entry.
    seq: u64,
}

/// An action that may be performed, and for whom.
struct Admitted {
    action: &'static Action,
    caller: Option<Caller>,
}

impl<'a, 'c> Exchange<'a, 'c> {
    fn begin(shared: &'a Shared, request: &Request, connection: &'a mut Connection<'c>) -> Self {
        let call = Call::read(request);
        let seq = shared.ledger.open(entry(request, &call));
        Self { shared, connection, call, request_id: request_id(), seq }
    }

    fn run(mut self, request: &Request) -> io::Result<()> {
        match admit(self.shared, request, &self.call) {
            Ok(admitted) => {
                self.shared.end.wait_while_held(&self.call.action)?;
                self.suffer(&admitted)
            }
            Err(error) => self.answer(Err(error)),
        }
    }

    /// Lets the faults have their way with the call, or handles it well where there are none.
    fn suffer(&mut self, admitted: &Admitted) -> io::Result<()> {
        let addresses = self.call.addresses();
        let target = Target { action: &self.call.action, eni: self.call.eni(), addresses: &addresses };
        let effects = lock(&self.shared.faults).strike(target);
        for effect in effects {
            match effect {
                Effect::Delay(time) => self.shared.end.wait(time)?,
                Effect::Hold => self.shared.end.wait_while_late_held()?,
                decisive => return self.take_effect(&decisive, admitted),
            }
        }
        let outcome = self.act(admitted);
        self.answer(outcome)
    }

    fn take_effect(&mut self, effect: &Effect, admitted: &Admitted) -> io::Result<()> {
        match effect {
            Effect::Error { code, message, status, retry_after_ms } => self.answer(Err(ApiError {
                code: code.clone(),
                message: message.clone(),
                status: *status,
                retry_after_ms: *retry_after_ms,
            })),
            Effect::DelayAnswer(time) => {
                let outcome = self.act(admitted);
                self.shared.end.wait(*time)?;
                self.answer(outcome)
            }
            Effect::AnswerWith(addresses) => {
                let outcome = self.act(admitted).map(|answer| answer.naming(addresses));
                self.answer(outcome)
            }
            Effect::DropBefore => {
                self.drop_connection();
                Ok(())
            }
            Effect::DropAfter => {
                // Whatever came of it, nobody is told.
                let _ = self.act(admitted);
                self.drop_connection();
                Ok(())
            }
            Effect::Late(time) => {
                self.drop_connection();
                self.shared.end.wait(*time)?;
                self.shared.end.wait_while_late_held()?;
                let _ = self.act(admitted);
                Ok(())
            }
            Effect::Stall => {
                self.hang();
                Ok(())
            }
            Effect::StallAfter => {
                let _ = self.act(admitted);
                self.hang();
                Ok(())
            }
            Effect::Html502AfterActing => {
                let _ = self.act(admitted);
                self.spoil(effect)
            }
            _ => self.spoil(effect),
        }
    }

    /// Performs the action. While a mutation is under way, no other one can begin on its ENI.
    fn act(&self, admitted: &Admitted) -> Outcome {
        let shared = self.shared;
        let _busy = match self.call.eni() {
            Some(eni) if admitted.action.mutates => Some(shared.busy.begin(eni)?),
            _ => None,
        };
        let latency = lock(&shared.cloud).world.latency;
        shared.end.wait(latency).map_err(|Ended| ApiError::new("ServiceUnavailable"))?;
        let answer = perform(shared, admitted, &self.call)?;
        shared.ledger.note(self.seq, |entry| {
            entry.executed = answer.changed;
            if let Some(addresses) = &answer.assigned {
                entry.addresses.clone_from(addresses);
            }
        });
        Ok(answer)
    }

    fn answer(&mut self, outcome: Outcome) -> io::Result<()> {
        let error = outcome.as_ref().err();
        let status = error.map_or(200, |error| error.status);
        self.shared.ledger.close(self.seq, status, error, true);
        let response = match outcome {
            Ok(answer) => render::success(&self.call, &self.request_id, answer.body),
            Err(error) => render::failure(&self.call, host_id(&self.call), &self.request_id, &error),
        };
        self.connection.respond(&response).inspect_err(|_| {
            self.shared.ledger.note(self.seq, |entry| entry.answered = false);
        })
    }

    fn spoil(&mut self, effect: &Effect) -> io::Result<()> {
        self.shared.ledger.close(self.seq, spoil::status(effect), None, false);
        spoil::answer(self.connection, effect, &self.shared.end)
    }

    fn drop_connection(&mut self) {
        self.shared.ledger.close(self.seq, 0, None, false);
        self.connection.close();
    }

    fn hang(&mut self) {
        self.connection.hang();
        self.shared.ledger.close(self.seq, 0, None, false);
    }
}

/// Which action is asked for, and whether its caller may.
fn admit(shared: &Shared, request: &Request, call: &Call) -> Result<Admitted, ApiError> {
    if !matches!(request.method.as_str(), "GET" | "POST") {
        return Err(ApiError::new("UnsupportedHTTPMethod"));
    }
    let action = Action::find(call)?;
    if action.unsigned {
        return Ok(Admitted { action, caller: None });
    }
    let mut cloud = lock(&shared.cloud);
    let caller = authenticate(&mut cloud, shared.clock.now(), request, call)?;
    Ok(Admitted { action, caller: Some(caller) })
}

fn perform(shared: &Shared, admitted: &Admitted, call: &Call) -> Outcome {
    let mut cloud = lock(&shared.cloud);
    let caller = admitted.caller.as_ref();
    admitted.action.perform(Context { cloud: &mut cloud, call, caller, now: shared.clock.now() })
}

/// The answer to a request, without faults, in no time and without a trace in the ledger.
pub(crate) fn answer_at_once(shared: &Shared, request: &Request) -> Response {
    let (call, request_id) = (Call::read(request), request_id());
    match admit(shared, request, &call).and_then(|admitted| perform(shared, &admitted, &call)) {
        Ok(answer) => render::success(&call, &request_id, answer.body),
        Err(error) => render::failure(&call, host_id(&call), &request_id, &error),
    }
}

/// The ledger's entry of a call that has just arrived.
fn entry(request: &Request, call: &Call) -> Entry {
    let (access_key_id, signature_method) = claimed(request, call);
    let mut parameters = call.parameters.clone();
    parameters.retain(|name, _| name != "Signature" && name != "SecurityToken");
    Entry {
        seq: 0,
        started_ms: 0,
        ended_ms: None,
        action: call.action.clone(),
        eni: call.eni().map(str::to_owned),
        addresses: call.addresses(),
        request_line: format!("{} {}", request.method, masked(&request.target)),
        parameters,
        access_key_id,
        client_token: call.text("ClientToken").map(str::to_owned),
        status: 0,
        code: None,
        executed: false,
        answered: false,
        signature_method,
    }
}

/// A request's target as it was sent, without the values that open a door.
fn masked(target: &str) -> String {
    const SECRET: &[&str] = &["OIDCToken", "SecurityToken", "Signature"];
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let parameters = query.split('&').map(|parameter| match parameter.split_once('=') {
        Some((name, _)) if SECRET.contains(&name) => format!("{name}=***"),
        _ => parameter.to_owned(),
    });
    format!("{path}?{}", parameters.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_parameters_are_masked_and_the_others_left_as_they_were_sent() {
        assert_eq!(
            masked("/?Action=A%20B&Signature=x%3D&SignatureNonce=1&SecurityToken=y&OIDCToken=z&Empty"),
            "/?Action=A%20B&Signature=***&SignatureNonce=1&SecurityToken=***&OIDCToken=***&Empty"
        );
        assert_eq!(masked("/"), "/");
    }
}
