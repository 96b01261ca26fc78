//! Keys and values.

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::{Answered, Found, answer};
use crate::consul::Shared;
use crate::consul::asked::Asked;
use crate::consul::catalog::Catalog;
use crate::consul::documents;
use crate::consul::status::Refusal;

/// The longest value, in bytes.
const LONGEST: usize = 512 * 1024;

pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/kv/{*key}", get(read).put(put).delete(delete))
        .route("/v1/kv/", get(read_all).put(no_key).delete(delete_all))
}

async fn read(State(shared): State<Shared>, Path(key): Path<String>, asked: Asked) -> Answered {
    find(&shared, &key, &asked).await
}

async fn read_all(State(shared): State<Shared>, asked: Asked) -> Answered {
    match asked.flag("recurse")? || asked.flag("keys")? {
        true => find(&shared, "", &asked).await,
        false => no_key().await,
    }
}

async fn no_key() -> Answered {
    Err(Refusal::new(400, "Missing key name"))
}

async fn find(shared: &Shared, key: &str, asked: &Asked) -> Answered {
    asked.is_permitted()?;
    let (raw, keys) = (asked.flag("raw")?, asked.flag("keys")?);
    if !asked.flag("recurse")? && !keys {
        let one = |catalog: &Catalog| match catalog.keys.get(key) {
            None => Found::Nothing,
            Some(pair) if raw => Found::Raw(pair.value.clone()),
            Some(pair) => Found::Document(json!([documents::pair(key, pair)])),
        };
        return answer(shared, asked, |catalog| catalog.keys.index_of(key), one).await;
    }
    let separator = asked.get("separator").filter(|it| !it.is_empty());
    let many = |catalog: &Catalog| {
        let found: Vec<Value> = match keys {
            true => names(catalog, key, separator).into_iter().map(Value::from).collect(),
            false => catalog.keys.below(key).map(|(key, pair)| documents::pair(key, pair)).collect(),
        };
        if found.is_empty() { Found::Nothing } else { Found::Document(found.into()) }
    };
    answer(shared, asked, |catalog| catalog.keys.index_below(key), many).await
}

/// The keys that begin like this, each up to the first separator after that.
fn names(catalog: &Catalog, prefix: &str, separator: Option<&str>) -> BTreeSet<String> {
    let cut = |key: &String| {
        let rest = key.get(prefix.len()..).unwrap_or_default();
        let end = separator.and_then(|it| Some(prefix.len() + rest.find(it)? + it.len()));
        key.get(..end.unwrap_or(key.len())).unwrap_or(key).to_owned()
    };
    catalog.keys.below(prefix).map(|(key, _)| cut(key)).collect()
}

async fn put(State(shared): State<Shared>, Path(key): Path<String>, asked: Asked, body: Bytes) -> Answered {
    asked.is_permitted()?;
    if ["acquire", "release"].iter().any(|lock| asked.get(lock).is_some()) {
        return Err(Refusal::new(500, "this fake has no sessions"));
    }
    if body.len() > LONGEST {
        return Err(Refusal::new(413, format!("Request body too large, max allowed is {LONGEST} bytes")));
    }
    let (flags, cas) = (asked.whole("flags")?.unwrap_or(0), asked.whole("cas")?);
    Ok(whether(shared.change(|catalog| catalog.put(&key, body.to_vec(), flags, cas))))
}

async fn delete(State(shared): State<Shared>, Path(key): Path<String>, asked: Asked) -> Answered {
    remove(&shared, &key, &asked)
}

async fn delete_all(State(shared): State<Shared>, asked: Asked) -> Answered {
    if asked.flag("recurse")? { remove(&shared, "", &asked) } else { no_key().await }
}

fn remove(shared: &Shared, key: &str, asked: &Asked) -> Answered {
    asked.is_permitted()?;
    let (recurses, cas) = (asked.flag("recurse")?, asked.whole("cas")?);
    Ok(whether(shared.change(|catalog| catalog.delete(key, recurses, cas))))
}

fn whether(is_done: bool) -> Response {
    ([(CONTENT_TYPE, "application/json")], is_done.to_string()).into_response()
}
