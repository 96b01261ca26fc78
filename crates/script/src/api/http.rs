//! `http::get(url, options?)` and its siblings, `http::parallel([…])`, and the reply.

use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, FuncRegistration, ImmutableString, Map, Module, NativeCallContext};

use super::{Fallible, placed};
use crate::call::{Answer, Call};
use crate::current::ask;
use crate::http::{HttpCall, HttpOptions, Method, Reply};
use crate::value::from_json;

/// A reply as scripts hold it: copying is counting.
#[derive(Clone)]
struct ReplyHandle(Rc<Reply>);

pub(super) fn register(engine: &mut Engine) {
    let mut http = Module::new();
    for (method, name) in Method::ALL {
        let plain = move |context: NativeCallContext, url: ImmutableString| {
            placed(&context, send(HttpCall { method, url, options: None }))
        };
        FuncRegistration::new(name).with_volatility(true).set_into_module(&mut http, plain);
        let with_options = move |context: NativeCallContext, url: ImmutableString, options: Map| {
            let options = HttpOptions::read(options).map_err(Into::into);
            let call = options.map(|options| HttpCall { method, url, options: Some(Box::new(options)) });
            placed(&context, call.and_then(send))
        };
        FuncRegistration::new(name).with_volatility(true).set_into_module(&mut http, with_options);
    }
    let parallel = |context: NativeCallContext, calls: Array| placed(&context, parallel(calls));
    FuncRegistration::new("parallel").with_volatility(true).set_into_module(&mut http, parallel);
    engine.register_static_module("http", http.into());
    register_reply(engine);
}

fn send(call: HttpCall) -> Fallible<ReplyHandle> {
    let mut replies = request(vec![call])?;
    replies.pop().map(|reply| ReplyHandle(reply.into())).ok_or_else(|| "the call was not answered".into())
}

fn request(calls: Vec<HttpCall>) -> Fallible<Vec<Reply>> {
    match ask("http", Call::Http(calls))? {
        Answer::Replies(replies) => Ok(replies),
        _ => Err("the call was not answered".into()),
    }
}

/// `http::parallel(["/a", ["GET", "/b"], ["POST", "/c", #{ json: … }]])` sends all at the same time and returns the replies in order.
fn parallel(calls: Array) -> Fallible<Array> {
    let calls: Vec<HttpCall> = calls.into_iter().map(parallel_call).collect::<Result<_, _>>()?;
    if calls.is_empty() {
        return Ok(Array::new());
    }
    Ok(request(calls)?.into_iter().map(|reply| Dynamic::from(ReplyHandle(reply.into()))).collect())
}

fn parallel_call(entry: Dynamic) -> Result<HttpCall, String> {
    let wrong = || "http::parallel takes addresses or [method, address, options?] in an array".to_owned();
    if let Ok(url) = entry.as_immutable_string_ref() {
        return Ok(HttpCall { method: Method::Get, url: url.clone(), options: None });
    }
    let parts = entry.read_lock::<Array>().ok_or_else(wrong)?;
    let (method, url, options) = match parts.as_slice() {
        [method, url] => (method, url, None),
        [method, url, options] => (method, url, Some(options)),
        _ => return Err(wrong()),
    };
    let method = crate::value::text_of(method).ok_or_else(wrong)?;
    let known = Method::ALL.into_iter().find(|(_, name)| method.eq_ignore_ascii_case(name));
    let (method, _) = known.ok_or_else(|| format!("http::parallel knows no method `{method}`"))?;
    let url = crate::value::text_of(url).ok_or_else(wrong)?.into();
    let options = match options.map(|options| options.read_lock::<Map>().map(|map| map.clone())) {
        None => None,
        Some(Some(map)) => Some(Box::new(HttpOptions::read(map)?)),
        Some(None) => return Err(wrong()),
    };
    Ok(HttpCall { method, url, options })
}

fn register_reply(engine: &mut Engine) {
    engine.register_type_with_name::<ReplyHandle>("Reply");
    engine.register_get("status", |reply: &mut ReplyHandle| i64::from(reply.0.status));
    engine.register_get("ok", |reply: &mut ReplyHandle| (100..400).contains(&reply.0.status));
    engine.register_get("error", |reply: &mut ReplyHandle| reply.0.error.clone().map_or(Dynamic::UNIT, Dynamic::from));
    engine.register_get("duration", |reply: &mut ReplyHandle| reply.0.duration.as_secs_f64());
    engine.register_get("headers", |reply: &mut ReplyHandle| -> Map {
        reply.0.headers.iter().map(|(name, value)| (name.as_str().into(), value.clone().into())).collect()
    });
    engine.register_fn("text", |reply: &mut ReplyHandle| String::from_utf8_lossy(&reply.0.body).into_owned());
    engine.register_fn("json", |reply: &mut ReplyHandle| -> Fallible<Dynamic> {
        match ask("json()", Call::Json(reply.0.body.clone()))? {
            Answer::Json(Ok(value)) => Ok(from_json(value)?),
            _ => Ok(Dynamic::UNIT), // the host has counted the error
        }
    });
    engine.register_fn("to_string", |reply: &mut ReplyHandle| format!("reply with status {}", reply.0.status));
    engine.register_fn("to_debug", |reply: &mut ReplyHandle| format!("reply with status {}", reply.0.status));
}
