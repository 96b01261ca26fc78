//! The shapes of answers.

use serde_json::{Value, json};

use super::catalog::{Catalog, Check, Instance, NODE};
use super::keys::Pair;
use super::status::Status;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The name of the only datacenter.
pub const DATACENTER: &str = "dc1";
const NODE_ID: &str = "5ca1ab1e-0000-4000-8000-0000000fa4e0";

/// The node.
pub fn node(catalog: &Catalog) -> Value {
    let address = catalog.address.ip().to_string();
    json!({
        "ID": NODE_ID, "Node": NODE, "Address": address, "Datacenter": DATACENTER,
        "TaggedAddresses": { "lan": address, "wan": address }, "Meta": {}, "CreateIndex": 1, "ModifyIndex": 1,
    })
}

/// An instance, as the agent and the health interface tell it.
pub fn service(instance: &Instance) -> Value {
    json!({
        "ID": instance.id, "Service": instance.service, "Tags": instance.tags, "Meta": instance.meta,
        "Port": instance.port, "Address": instance.address, "EnableTagOverride": false,
        "Weights": { "Passing": instance.weights.0, "Warning": instance.weights.1 },
        "CreateIndex": instance.created, "ModifyIndex": instance.modified,
    })
}

/// An instance with its node, as the catalog tells it.
pub fn catalog_entry(catalog: &Catalog, instance: &Instance) -> Value {
    let mut entry = node(catalog);
    entry["NodeMeta"] = entry["Meta"].take();
    let service = json!({
        "ServiceID": instance.id, "ServiceName": instance.service, "ServiceTags": instance.tags,
        "ServiceAddress": instance.address, "ServicePort": instance.port, "ServiceMeta": instance.meta,
        "ServiceWeights": { "Passing": instance.weights.0, "Warning": instance.weights.1 },
        "ServiceEnableTagOverride": false, "CreateIndex": instance.created, "ModifyIndex": instance.modified,
    });
    if let (Some(entry), Value::Object(service)) = (entry.as_object_mut(), service) {
        entry.remove("Meta");
        entry.extend(service);
    }
    entry
}

/// An instance with its node and all checks that say how it is.
pub fn health_entry(catalog: &Catalog, instance: &Instance) -> Value {
    let checks: Vec<Value> = catalog.checks_of(instance).map(|one| check(catalog, one)).collect();
    json!({ "Node": node(catalog), "Service": service(instance), "Checks": checks })
}

/// A check.
pub fn check(catalog: &Catalog, check: &Check) -> Value {
    let instance = check.of.as_ref().and_then(|id| catalog.instances.get(id));
    json!({
        "Node": NODE, "CheckID": check.id, "Name": check.name, "Status": check.status.to_string(),
        "Notes": check.notes, "Output": check.output, "ServiceID": check.of.as_deref().unwrap_or_default(),
        "ServiceName": instance.map(|it| it.service.as_str()).unwrap_or_default(),
        "ServiceTags": instance.map(|it| it.tags.clone()).unwrap_or_default(),
        "Type": if check.ttl.is_some() { "ttl" } else { "" },
        "CreateIndex": check.created, "ModifyIndex": check.modified,
    })
}

/// The node, as a member of the gossip pool: 1 is alive, 4 is failed.
pub fn member(catalog: &Catalog) -> Value {
    let alive = catalog.checks.get(super::catalog::ALIVE).map(|check| check.status);
    let status = if alive == Some(Status::Passing) { 1 } else { 4 };
    json!({
        "Name": NODE, "Addr": catalog.address.ip().to_string(), "Port": 8301, "Status": status,
        "Tags": { "role": "consul", "dc": DATACENTER, "id": NODE_ID, "bootstrap": "1" },
        "ProtocolMin": 1, "ProtocolMax": 2, "ProtocolCur": 2, "DelegateMin": 2, "DelegateMax": 5, "DelegateCur": 4,
    })
}

/// A key with its value, which is null when it is empty.
pub fn pair(key: &str, pair: &Pair) -> Value {
    let value = Some(STANDARD.encode(&pair.value)).filter(|value| !value.is_empty());
    json!({
        "Key": key, "Value": value, "Flags": pair.flags, "LockIndex": 0,
        "CreateIndex": pair.created, "ModifyIndex": pair.modified,
    })
}
