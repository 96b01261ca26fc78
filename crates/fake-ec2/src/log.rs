//! What was called, when, where, and what came of it.

use std::time::SystemTime;

use rehearsal_fake_aws::printed;
use serde_json::{Value, json};

use crate::call::Call;

/// One call that came.
#[derive(Clone, Debug, PartialEq)]
pub struct Logged {
    /// When it was answered.
    pub at: SystemTime,
    /// What was called, and with what.
    pub call: Call,
    /// Amazon's code if it failed, `ok` if it did not, and `silence` if it was never answered.
    pub outcome: String,
}

impl Logged {
    /// It as a document.
    #[must_use]
    pub fn document(&self) -> Value {
        let Call { service, region, access_key, action, fields } = &self.call;
        json!({
            "at": printed(self.at), "service": service.name(), "region": region, "action": action, "access_key": access_key,
            "dry_run": self.call.is_dry_run(), "outcome": self.outcome, "fields": fields,
        })
    }
}
