//! The API of Zabbix as an administrator uses it: JSON-RPC, the token in the call as version 6.0 wants it.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::Client;
use serde_json::{Value, json};

/// How long an answer may take on a busy machine.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A client of the API.
#[derive(Clone, Debug)]
pub struct Rpc {
    url: String,
    client: Client,
    token: Option<String>,
}

impl Rpc {
    /// One who may ask for the version and log in.
    ///
    /// # Errors
    /// When there can be no client at all.
    pub fn anonymous(url: &str) -> Result<Self> {
        let client = Client::builder().timeout(ANSWER_WITHIN).build().context("making a client of the API")?;
        Ok(Self { url: url.to_owned(), client, token: None })
    }

    /// One who has logged in.
    ///
    /// # Errors
    /// When the API refuses.
    pub async fn log_in(url: &str, user: &str, password: &str) -> Result<Self> {
        let mut rpc = Self::anonymous(url)?;
        let token = rpc.call("user.login", json!({ "username": user, "password": password })).await?;
        rpc.token = token.as_str().map(str::to_owned);
        Ok(rpc)
    }

    /// Calls a method.
    ///
    /// # Errors
    /// When there is no answer, or it is an error.
    pub async fn call(&self, method: &str, parameters: Value) -> Result<Value> {
        let mut call = json!({ "jsonrpc": "2.0", "method": method, "params": parameters, "id": 1 });
        if let Some(token) = &self.token {
            call["auth"] = json!(token);
        }
        let request = self.client.post(&self.url).header("content-type", "application/json-rpc").body(call.to_string());
        let answer = request.send().await.with_context(|| format!("calling {method}"))?;
        let text = answer.text().await.with_context(|| format!("calling {method}"))?;
        let mut answer: Value = serde_json::from_str(&text).with_context(|| format!("{method} answers {text}"))?;
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => bail!("{method}: {}", answer["error"]),
        }
    }

    /// Calls a method that makes something, and returns its number.
    ///
    /// # Errors
    /// As [`Rpc::call`], or when there is no number in the answer.
    pub async fn create(&self, method: &str, numbers: &str, parameters: Value) -> Result<String> {
        let made = self.call(method, parameters).await?;
        let number = made[numbers][0].as_str().with_context(|| format!("{method} made nothing: {made}"))?;
        Ok(number.to_owned())
    }
}
