//! An error as the API answers it.

use std::net::IpAddr;

use crate::codes;

/// An error document's contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) status: u16,
    /// Milliseconds for the header `x-acs-retry-after`.
    pub(crate) retry_after_ms: Option<u64>,
}

impl ApiError {
    /// An error with the status and message of the table.
    pub(crate) fn new(code: &str) -> Self {
        let (status, message) = codes::find(code).map_or((400, code), |entry| (entry.status, entry.message));
        Self { code: code.to_owned(), message: message.to_owned(), status, retry_after_ms: None }
    }

    /// The same error with a message that says more.
    pub(crate) fn message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        Self::new("MissingParameter").message(format!(
            "The input parameter \"{parameter}\" that is mandatory for processing this request is not supplied."
        ))
    }

    pub(crate) fn invalid(parameter: &str) -> Self {
        Self::new("InvalidParameter")
            .message(format!("The specified parameter \"{parameter}\" is not valid."))
    }

    pub(crate) fn unassigned(address: IpAddr) -> Self {
        Self::new("InvalidIp.IpUnassigned")
            .message(format!("The specified IP \"{address}\" is not assigned on this ENI."))
    }

    pub(crate) fn no_such_eni(id: &str) -> Self {
        Self::new("InvalidEniId.NotFound").message(format!("The specified ENI \"{id}\" is not found."))
    }
}
