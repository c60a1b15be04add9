//! Short-lived credentials, as STS and the metadata service issue them.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::clock::timestamp;
use crate::world::{Permission, World};

/// Credentials with an end.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) access_key_id: String,
    pub(crate) secret: String,
    pub(crate) token: String,
    pub(crate) issued: SystemTime,
    pub(crate) expires: SystemTime,
    pub(crate) permission: Permission,
    /// Who uses them: `acs:ram::…:assumed-role/<role>/<session>`.
    pub(crate) arn: String,
}

impl Session {
    /// The object that STS names `Credentials`.
    pub(crate) fn credentials(&self) -> Value {
        json!({
            "AccessKeyId": self.access_key_id,
            "AccessKeySecret": self.secret,
            "SecurityToken": self.token,
            "Expiration": timestamp(self.expires),
        })
    }

    /// The document that metadata and a credentials URI answer.
    pub(crate) fn document(&self) -> Value {
        let mut document = self.credentials();
        document["LastUpdated"] = json!(timestamp(self.issued));
        document["Code"] = json!("Success");
        document
    }
}

/// All credentials that were ever issued.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    all: Vec<Session>,
    /// Which of them the node's role hands out at present.
    of_node: Option<usize>,
}

impl Sessions {
    /// Issues new credentials for the world's role.
    pub(crate) fn issue(
        &mut self,
        world: &World,
        name: &str,
        now: SystemTime,
        lifetime: Duration,
    ) -> &Session {
        let number = self.all.len() + 1;
        self.all.push(Session {
            access_key_id: format!("STS.SimulatedKey{number:06}"),
            secret: format!("SimulatedStsSecret+/={number:06}"),
            // Characters that a careless encoding breaks.
            token: format!("CAISsimulated+/token{number:06}=="),
            issued: now,
            expires: now + lifetime,
            permission: world.role.permission.clone(),
            arn: format!(
                "acs:ram::{}:assumed-role/{}/{name}",
                World::ACCOUNT_ID,
                world.role.name.to_lowercase()
            ),
        });
        &self.all[number - 1]
    }

    /// The credentials of the node's role. New ones take over half an hour before the old ones end, or at half time
    /// where that is later.
    pub(crate) fn of_node(&mut self, world: &World, now: SystemTime) -> &Session {
        let lifetime = world.role.lifetime;
        let overlap = Duration::from_mins(30).min(lifetime / 2);
        if let Some(number) = self.of_node.filter(|&number| now + overlap < self.all[number].expires) {
            return &self.all[number];
        }
        self.of_node = Some(self.all.len());
        self.issue(world, World::INSTANCE_ID, now, lifetime)
    }

    pub(crate) fn find(&self, access_key_id: &str) -> Option<&Session> {
        self.all.iter().find(|session| session.access_key_id == access_key_id)
    }

    /// Whether a token was issued to anybody.
    pub(crate) fn knows_token(&self, token: &str) -> bool {
        self.all.iter().any(|session| session.token == token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_the_node_rotate_before_they_end() {
        let world = World::single_node();
        let mut sessions = Sessions::default();
        let start = SystemTime::UNIX_EPOCH;
        let first = sessions.of_node(&world, start).access_key_id.clone();
        let hours = |hours: u64| start + Duration::from_hours(hours);
        assert_eq!(sessions.of_node(&world, hours(5)).access_key_id, first);
        let late = hours(6) - Duration::from_mins(29);
        assert_ne!(sessions.of_node(&world, late).access_key_id, first);
        assert!(sessions.find(&first).unwrap().expires > late, "the old ones are still valid");
    }

    #[test]
    fn short_lived_credentials_rotate_at_half_time() {
        let world = World::single_node().with_role_lifetime(Duration::from_secs(10));
        let mut sessions = Sessions::default();
        let start = SystemTime::UNIX_EPOCH;
        let first = sessions.of_node(&world, start).access_key_id.clone();
        assert_eq!(sessions.of_node(&world, start + Duration::from_secs(4)).access_key_id, first);
        assert_ne!(sessions.of_node(&world, start + Duration::from_secs(5)).access_key_id, first);
    }
}
