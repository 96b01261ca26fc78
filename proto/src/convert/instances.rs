//! The instances of a target that is followed.

use rehearsal_plan::{Endpoint, Instances, Standing};

use super::{WireError, unique};
use crate::v1;

impl From<&Instances> for v1::Instances {
    fn from(instances: &Instances) -> v1::Instances {
        let instance = |(endpoint, standing): (&Endpoint, Standing)| v1::Instance {
            host: endpoint.host.clone(),
            port: endpoint.port.into(),
            serving: standing == Standing::Serving,
        };
        v1::Instances { instances: instances.iter().map(instance).collect() }
    }
}

impl TryFrom<v1::Instances> for Instances {
    type Error = WireError;

    fn try_from(wire: v1::Instances) -> Result<Instances, WireError> {
        let instance = |v1::Instance { host, port, serving }| {
            let port = u16::try_from(port).ok().filter(|port| *port > 0);
            let port = port.ok_or(WireError::Range("the port of an instance"))?;
            if host.is_empty() {
                return Err(WireError::Lacks("host of an instance"));
            }
            let standing = if serving { Standing::Serving } else { Standing::Draining };
            Ok((Endpoint { host, port }, standing))
        };
        Ok(unique("an instance", wire.instances.into_iter().map(instance))?.into_iter().collect())
    }
}
