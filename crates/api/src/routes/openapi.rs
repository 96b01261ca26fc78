//! The OpenAPI document: what the routes say of themselves, and what holds for all of them.

use utoipa::PartialSchema as _;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ArrayBuilder, ArrayItems};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, RefOr, Schema};

use super::documented_routes;
use crate::RefusalBody;
use crate::refusal::documented;

/// The name of the token in the document.
const TOKEN: &str = "token";

/// What the whole document says.
const ABOUT: &str = "How dashboards, scripts and commands see and steer the runs of a coordinator. Every answer that says no \
                     is a `RefusalBody`. Times are seconds; what is unknown is null.";

/// Returns the OpenAPI document of everything that a server answers.
#[must_use]
pub fn openapi() -> OpenApi {
    let (_, mut document) = documented_routes().split_for_parts();
    document.info =
        InfoBuilder::new().title("Rehearsal").version(env!("CARGO_PKG_VERSION")).description(Some(ABOUT)).build();
    complete(document.components.get_or_insert_default());
    for (path, item) in &mut document.paths.paths {
        let needs_token = path.starts_with("/api/") || path == "/metrics";
        let operations = [&mut item.get, &mut item.post, &mut item.delete];
        operations.into_iter().flatten().for_each(|operation| add_guard(operation, needs_token));
    }
    document
}

fn complete(components: &mut Components) {
    components.add_security_scheme(TOKEN, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    components.schemas.insert("RefusalBody".to_owned(), RefusalBody::schema());
    // The schema that is derived for a row of values says that each is an object.
    let band = row("Samples in one band of the heat map: `[band, count]`.", [u16::schema(), u64::schema()]);
    components.schemas.insert("Band".to_owned(), band);
}

/// What the guard may answer in place of the operation.
fn add_guard(operation: &mut Operation, needs_token: bool) {
    let mut answers = vec![
        ("403", "The request comes from another page: `Origin` is not the server's own."),
        ("421", "`Host` is no IP address, not `localhost` and not a name that the server was given."),
    ];
    if needs_token {
        answers.push(("401", "The token is missing or wrong."));
        operation.security = Some(vec![SecurityRequirement::new::<_, _, String>(TOKEN, [])]);
    }
    for (status, meaning) in answers {
        operation.responses.responses.insert(status.to_owned(), documented(meaning));
    }
}

/// The schema of an array with exactly these values.
pub(crate) fn row<const N: usize>(meaning: &str, values: [RefOr<Schema>; N]) -> RefOr<Schema> {
    let values = values.into_iter().filter_map(|value| match value {
        RefOr::T(schema) => Some(schema),
        RefOr::Ref(_) => None,
    });
    let array = ArrayBuilder::new().prefix_items(values).items(ArrayItems::False);
    RefOr::T(array.min_items(Some(N)).max_items(Some(N)).description(Some(meaning)).into())
}
