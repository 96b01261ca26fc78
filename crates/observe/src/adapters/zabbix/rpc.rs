//! JSON-RPC as Zabbix speaks it, which depends on its version: how one logs in, and where the token goes.

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue};
use rehearsal_plan::Problem;
use serde_json::{Value, json};

use crate::json::quoted;
use crate::observation::{ErrorKind, Failure};
use crate::secret::Secret;
use crate::settings::{self, Settings};
use crate::web::Web;

/// The first version whose `user.login` has `username` where there was `user`.
const NAMES_USERS: (u32, u32) = (5, 4);
/// The first version that takes the token in a header. 6.0 takes it in the body alone, 7.2 in the header alone.
const TAKES_HEADERS: (u32, u32) = (6, 4);
/// Words of errors that are about who we are.
const DENIALS: [&str; 6] = ["not authori", "re-login", "permission", "incorrect user name", "login name", "blocked"];

/// A Zabbix frontend.
pub struct Rpc {
    web: Web,
    login: Login,
    version: Option<(u32, u32)>,
    token: Option<Secret>,
}

enum Login {
    Token(Secret),
    User(String, Secret),
}

impl Rpc {
    /// Takes `url`, the one of `api_jsonrpc.php`, `ca`, `headers`, and either `token` or `user` and `password`.
    pub fn from_settings(settings: &mut Settings<'_>) -> Option<Rpc> {
        let url = settings.require("url", settings::url);
        let web = Web::anonymous(settings, url);
        let token = settings.secret("token");
        let user = settings.take("user", settings::text);
        let password = settings.secret("password");
        let login = match (token, user, password) {
            (Some(token), None, None) => Some(Login::Token(token)),
            (None, Some(user), Some(password)) => Some(Login::User(user, password)),
            _ => {
                settings.complain(Problem::new("has neither a `token` nor a `user` and a `password`, or has both"));
                None
            }
        };
        Some(Rpc { web: web?, login: login?, version: None, token: None })
    }

    /// Calls a method, after asking for the version and logging in if need be. After any refusal both are asked for
    /// again: a session may have ended, and a server may have been upgraded.
    ///
    /// # Errors
    /// When there is no answer, or it is an error.
    pub async fn call(&mut self, method: &str, parameters: Value) -> Result<Value, Failure> {
        let answer = self.call_known(method, parameters).await;
        if answer.is_err() {
            (self.version, self.token) = (None, None);
        }
        answer
    }

    async fn call_known(&mut self, method: &str, parameters: Value) -> Result<Value, Failure> {
        let version = match self.version {
            Some(version) => version,
            None => *self.version.insert(read_version(&self.send("apiinfo.version", json!([]), None).await?)?),
        };
        if self.token.is_none() {
            self.token = Some(self.log_in(version).await?);
        }
        self.send(method, parameters, self.token.as_ref().map(|token| (token, version))).await
    }

    async fn log_in(&self, version: (u32, u32)) -> Result<Secret, Failure> {
        let (user, password) = match &self.login {
            Login::Token(token) => return Ok(token.clone()),
            Login::User(user, password) => (user, password.reveal()),
        };
        let name = if version >= NAMES_USERS { "username" } else { "user" };
        let token = self.send("user.login", json!({ name: user, "password": password }), None).await?;
        token.as_str().map(Secret::new).ok_or_else(|| Failure::format("user.login: the session is not a text"))
    }

    async fn send(
        &self,
        method: &str,
        parameters: Value,
        token: Option<(&Secret, (u32, u32))>,
    ) -> Result<Value, Failure> {
        let mut call = json!({ "jsonrpc": "2.0", "method": method, "params": parameters, "id": 1 });
        let mut headers = HeaderMap::new();
        match token {
            Some((token, version)) if version >= TAKES_HEADERS => {
                let value = HeaderValue::try_from(format!("Bearer {}", token.reveal()));
                let mut value = value.map_err(|_| Failure::format("the token is not one that a header may have"))?;
                value.set_sensitive(true);
                headers.insert(AUTHORIZATION, value);
            }
            Some((token, _)) => call["auth"] = token.reveal().into(),
            None => {}
        }
        let answer = self.web.post(self.web.base(), headers, &call).await;
        result(answer?.json()?).map_err(|failure| failure.within(method))
    }
}

fn read_version(answer: &Value) -> Result<(u32, u32), Failure> {
    let parse = |text: &str| {
        let (major, rest) = text.split_once('.')?;
        Some((major.parse().ok()?, rest.split('.').next()?.parse().ok()?))
    };
    let version = answer.as_str().and_then(parse);
    version.ok_or_else(|| Failure::format(format!("not a version of Zabbix: {}", quoted(&answer.to_string()))))
}

fn result(mut answer: Value) -> Result<Value, Failure> {
    let Some(object) = answer.as_object_mut() else { return Err(Failure::format("the answer is no JSON-RPC")) };
    if let Some(error) = object.get("error") {
        let part = |name: &str| error[name].as_str().unwrap_or_default().to_string();
        let text = format!("{} {}", part("message"), part("data"));
        let is_denial = DENIALS.iter().any(|word| text.to_lowercase().contains(word));
        let kind = if is_denial { ErrorKind::Denied } else { ErrorKind::Refused };
        return Err(Failure::Error(kind, quoted(&text)));
    }
    object.remove("result").ok_or_else(|| Failure::format("the answer is no JSON-RPC"))
}
