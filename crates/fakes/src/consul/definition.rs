//! What is sent to register instances and checks. Keys may be written as `ServiceID`, `serviceid` or `service_id`.

use std::collections::BTreeMap;
use std::time::Duration;

use rehearsal_plan::duration;
use serde_json::{Value, json};

use super::catalog::{Check, Instance};
use super::status::{Refusal, Status};

/// An object's values by their keys in small letters without underscores.
struct Fields<'a>(BTreeMap<String, &'a Value>);

impl<'a> Fields<'a> {
    fn of(value: &'a Value) -> Result<Fields<'a>, Refusal> {
        let object = value.as_object().ok_or_else(|| undecodable("it is not an object"))?;
        let plain = |key: &String| key.to_lowercase().replace('_', "");
        Ok(Fields(object.iter().map(|(key, value)| (plain(key), value)).collect()))
    }

    /// A value that is there and not null.
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.0.get(key).copied().filter(|value| !value.is_null())
    }

    fn text(&self, key: &str) -> Result<String, Refusal> {
        match self.get(key) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(undecodable(&format!("{key} is not a text"))),
        }
    }

    fn whole(&self, key: &str, default: u64) -> Result<u64, Refusal> {
        let Some(value) = self.get(key) else { return Ok(default) };
        value.as_u64().ok_or_else(|| undecodable(&format!("{key} is not a number")))
    }
}

fn undecodable(why: &str) -> Refusal {
    Refusal::new(400, format!("Request decode failed: {why}"))
}

/// Reads an instance with its checks.
pub fn instance(body: &Value) -> Result<(Instance, Vec<Check>), Refusal> {
    let fields = Fields::of(body)?;
    let service = fields.text("name")?;
    if service.is_empty() {
        return Err(Refusal::new(400, "Missing service name"));
    }
    let id = Some(fields.text("id")?).filter(|id| !id.is_empty()).unwrap_or_else(|| service.clone());
    let tags = fields.get("tags").and_then(Value::as_array).cloned().unwrap_or_default();
    let port = u16::try_from(fields.whole("port", 0)?).map_err(|_| Refusal::new(400, "Invalid port"))?;
    let weights = match fields.get("weights") {
        None => (1, 1),
        Some(weights) => {
            let weights = Fields::of(weights)?;
            (weights.whole("passing", 1)?, weights.whole("warning", 1)?)
        }
    };
    let instance = Instance {
        address: fields.text("address")?,
        tags: tags.iter().filter_map(Value::as_str).map(String::from).collect(),
        meta: fields.get("meta").cloned().unwrap_or_else(|| json!({})),
        port,
        weights,
        created: 0,
        modified: 0,
        id,
        service,
    };
    let single = fields.get("check").into_iter();
    let several = fields.get("checks").and_then(Value::as_array).into_iter().flatten();
    let definitions: Vec<&Value> = single.chain(several).collect();
    let is_single = definitions.len() == 1;
    let checks = definitions.iter().enumerate().map(|(i, definition)| {
        let number = if is_single { String::new() } else { format!(":{}", i + 1) };
        let (id, name) = (format!("service:{}{number}", instance.id), format!("Service '{}' check", instance.service));
        check(&Fields::of(definition)?, &id, &name, Some(instance.id.clone()))
    });
    let checks = checks.collect::<Result<_, _>>()?;
    Ok((instance, checks))
}

/// Reads a check that is registered by itself.
pub fn check_alone(body: &Value) -> Result<Check, Refusal> {
    let fields = Fields::of(body)?;
    let name = fields.text("name")?;
    if name.is_empty() {
        return Err(Refusal::new(400, "Missing check name"));
    }
    let of = Some(fields.text("serviceid")?).filter(|of| !of.is_empty());
    check(&fields, &name, &name, of)
}

/// Reads a check. Until something was found it is critical, unless told otherwise.
fn check(fields: &Fields<'_>, id: &str, name: &str, of: Option<String>) -> Result<Check, Refusal> {
    let or = |text: String, default: &str| if text.is_empty() { default.into() } else { text };
    let ttl = match fields.text("ttl")?.as_str() {
        "" => None,
        text => Some(duration::parse(text).map_err(|error| undecodable(&error.to_string()))?),
    };
    let status = match fields.text("status")?.as_str() {
        "" => Status::Critical,
        text => text.parse()?,
    };
    let own_id = or(fields.text("checkid")?, &fields.text("id")?);
    Ok(Check {
        id: or(own_id, id),
        name: or(fields.text("name")?, name),
        notes: fields.text("notes")?,
        output: String::new(),
        status,
        of,
        ttl: ttl.filter(|ttl| *ttl > Duration::ZERO),
        expires: None,
        created: 0,
        modified: 0,
    })
}
