//! Makes an autoscaler of a fresh Zabbix: an average over the instances, a trigger for either edge of the band, and for
//! each an action that runs a script on the server.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::rpc::Rpc;

/// The group of the instances' hosts.
pub const INSTANCES: &str = "show web";
/// The host of what concerns all of them, and its items.
pub const SCALER: &str = "show scaler";
pub const AVERAGE: &str = "web.busy";
pub const DESIRED: &str = "web.desired";
/// The item of an instance: how full it is, in percent.
pub const BUSY: &str = "busy";
/// The names of the triggers.
pub const ARE_BUSY: &str = "the instances of the show are busy";
pub const ARE_IDLE: &str = "the instances of the show are idle";

/// The edges of the band, in percent.
const BAND: [u32; 2] = [10, 30];
/// The bounds of the number of instances.
pub const INSTANCE_BOUNDS: [u32; 2] = [1, 6];

/// The account with which Zabbix comes.
const ADMINISTRATOR: [&str; 2] = ["Admin", "zabbix"];
/// Numbers of the API: the role of plain users, the right to read, an item to which values are sent, a calculated one,
/// values with a fraction and counts.
const PLAIN_USER: &str = "1";
const READ: u32 = 2;
const TRAPPER: u32 = 2;
const CALCULATED: u32 = 15;
const FLOAT: u32 = 0;
const COUNT: u32 = 3;
/// How often the average is computed.
const EVERY: &str = "3s";
/// How often an action is repeated while its trigger stays on: the shortest that Zabbix has.
const REPEATED: &str = "60s";

/// A Zabbix that scales the instances of the show by one.
#[derive(Debug)]
pub struct Autoscaler {
    /// The token of a user who may only read.
    pub token: String,
    rpc: Rpc,
    instances: String,
    actions: [String; 2],
}

impl Autoscaler {
    /// Makes it; `scale_out` and `scale_in` are the commands that the server is to run.
    ///
    /// # Errors
    /// When the API refuses anything.
    pub async fn create(url: &str, scale_out: &str, scale_in: &str) -> Result<Self> {
        let [user, password] = ADMINISTRATOR;
        let rpc = Rpc::log_in(url, user, password).await?;
        let group = async |name: &str| rpc.create("hostgroup.create", "groupids", json!({ "name": name })).await;
        let (instances, scaling) = (group(INSTANCES).await?, group("show scaling").await?);
        let scaler = create_host(&rpc, SCALER, &scaling).await?;
        let average = format!("avg(last_foreach(/*/{BUSY}?[group=\"{INSTANCES}\"]))");
        let items = [
            json!({ "key_": AVERAGE, "type": CALCULATED, "value_type": FLOAT, "delay": EVERY, "params": average }),
            json!({ "key_": DESIRED, "type": TRAPPER, "value_type": COUNT }),
        ];
        for item in items {
            create_item(&rpc, &scaler, item).await?;
        }
        let ([lo, hi], [least, most]) = (BAND, INSTANCE_BOUNDS);
        let last = |key: &str| format!("last(/{SCALER}/{key})");
        let busy = format!("{}>={hi} and {}<{most}", last(AVERAGE), last(DESIRED));
        let idle = format!("{}<={lo} and {}>{least}", last(AVERAGE), last(DESIRED));
        let out = create_action(&rpc, ARE_BUSY, &busy, scale_out).await?;
        let in_ = create_action(&rpc, ARE_IDLE, &idle, scale_in).await?;
        let token = create_reader(&rpc, &[&instances, &scaling]).await?;
        Ok(Self { token, rpc, instances, actions: [out, in_] })
    }

    /// Lets its actions run, or not: then the triggers fire and nothing follows.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn set_acting(&self, acts: bool) -> Result<()> {
        for action in &self.actions {
            let status = u32::from(!acts);
            self.rpc.call("action.update", json!({ "actionid": action, "status": status })).await?;
        }
        Ok(())
    }

    /// Begins to watch an instance, and returns its number.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn watch(&self, name: &str) -> Result<String> {
        let host = create_host(&self.rpc, name, &self.instances).await?;
        create_item(&self.rpc, &host, json!({ "key_": BUSY, "type": TRAPPER, "value_type": FLOAT, "units": "%" }))
            .await?;
        Ok(host)
    }

    /// Forgets an instance: its last value no longer counts.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn forget(&self, host: &str) -> Result<()> {
        self.rpc.call("host.delete", json!([host])).await.map(|_| ())
    }
}

async fn create_host(rpc: &Rpc, name: &str, group: &str) -> Result<String> {
    rpc.create("host.create", "hostids", json!({ "host": name, "groups": [{ "groupid": group }] })).await
}

async fn create_item(rpc: &Rpc, host: &str, mut item: Value) -> Result<()> {
    item["hostid"] = json!(host);
    item["name"] = item["key_"].clone();
    rpc.create("item.create", "itemids", item).await.map(|_| ())
}

/// Makes a trigger with the script that it runs on the server, once when it fires and again while it stays on.
async fn create_action(rpc: &Rpc, name: &str, expression: &str, command: &str) -> Result<String> {
    let trigger = json!({ "description": name, "expression": expression, "priority": 3 });
    let trigger = rpc.create("trigger.create", "triggerids", trigger).await?;
    let script = json!({ "name": name, "command": command, "type": 0, "scope": 1, "execute_on": 1 });
    let script = rpc.create("script.create", "scriptids", script).await?;
    let is_trigger = json!({ "conditiontype": 2, "operator": 0, "value": trigger });
    let runs_script = json!({
        "operationtype": 1, "esc_step_from": 1, "esc_step_to": 0, "esc_period": "0",
        "opcommand": { "scriptid": script }, "opcommand_hst": [{ "hostid": "0" }],
    });
    let action = json!({
        "name": name, "eventsource": 0, "esc_period": REPEATED,
        "filter": { "evaltype": 0, "conditions": [is_trigger] }, "operations": [runs_script],
    });
    rpc.create("action.create", "actionids", action).await
}

/// Makes a user who may read these groups, and returns a token of theirs.
async fn create_reader(rpc: &Rpc, groups: &[&str]) -> Result<String> {
    let rights: Vec<Value> = groups.iter().map(|id| json!({ "id": id, "permission": READ })).collect();
    let group = json!({ "name": "observers", "rights": rights });
    let group = rpc.create("usergroup.create", "usrgrpids", group).await?;
    let user = json!({
        "username": "observer", "passwd": "look-but-do-not-touch", "roleid": PLAIN_USER, "usrgrps": [{ "usrgrpid": group }],
    });
    let user = rpc.create("user.create", "userids", user).await?;
    let token = rpc.create("token.create", "tokenids", json!({ "name": "rehearsal", "userid": user })).await?;
    let made = rpc.call("token.generate", json!([token])).await?;
    Ok(made[0]["token"].as_str().context("no token was made")?.to_owned())
}
