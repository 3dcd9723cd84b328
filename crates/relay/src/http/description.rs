//! The `OpenAPI` 3.1 description: routes describe themselves, this adds what they share.
//!
//! Each call's problems stand in one table here ([`problems_of`]), so that a client's author
//! sees every reason for a "no" beside the call.

use std::collections::BTreeMap;

use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, Info, Object, Ref, ResponseBuilder};
use waxwing_wire::problem::{MEDIA_TYPE, Problem, Slug};

#[derive(OpenApi)]
#[openapi(components(schemas(Problem, Slug)))]
struct Base;

const SIGNATURE: &str = "signature";

/// The calls that anyone may make.
const OPEN_PATHS: &[&str] = &[
    "/v1/relay",
    "/livez",
    "/readyz",
    "/openapi.json",
    "/v1/drops/{drop}/attachments",
    "/v1/drops/{drop}/attachments/{id}",
    "/v1/drops/{drop}/envelopes",
    "/v1/links/{link}",
    "/v1/links/{link}/{slot}",
];

fn is_open(method: &str, path: &str) -> bool {
    OPEN_PATHS.contains(&path) || (method, path) == ("get", "/v1/drops/{drop}")
}

const ABOUT: &str = "Carries sealed envelopes that it cannot open, and keeps the directory of cards and prekeys. \
Ids are lower-case hex, bytes in JSON base64url without padding, times Unix seconds. Every call except those \
under `relay` and `links`, and of visitors under `drops`, is signed by the device's transport key (RFC 9421, label `waxwing`, tag `waxwing/v1`, covering \
`@method` `@authority` `@path` `@query` and, with a body, `content-digest` `content-type`; a PATCH also \
`upload-offset`). Every refusal is a problem (RFC 9457); every write may be repeated.";

/// The description before any route.
pub(super) fn base() -> utoipa::openapi::OpenApi {
    let mut api = Base::openapi();
    api.info = Info::builder()
        .title("Waxwing relay")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .build();
    api
}

/// Adds problems and the signature to all routes.
pub(super) fn finish(mut api: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let components = api.components.get_or_insert_with(Components::new);
    let scheme = ApiKey::Header(ApiKeyValue::with_description(
        "Signature",
        "HTTP Message Signatures (RFC 9421) by the device's transport key, with `Signature-Input`",
    ));
    components.add_security_scheme(SIGNATURE, SecurityScheme::ApiKey(scheme));
    for slug in Slug::ALL {
        components
            .responses
            .insert(slug.to_string(), problem(&[*slug]).into());
    }
    for (path, item) in &mut api.paths.paths {
        for (method, operation) in operations(item) {
            let own = problems_of(method, path);
            let signed = !is_open(method, path);
            let shared = if signed { SIGNED } else { OPEN };
            let mut by_status = BTreeMap::<u16, Vec<Slug>>::new();
            for slug in shared.iter().chain(own) {
                by_status.entry(slug.status()).or_default().push(*slug);
            }
            for (status, slugs) in by_status {
                operation
                    .responses
                    .responses
                    .insert(status.to_string(), problem(&slugs).into());
            }
            if signed {
                operation.security = Some(vec![SecurityRequirement::new(
                    SIGNATURE,
                    Vec::<String>::new(),
                )]);
            }
        }
    }
    api
}

/// Adds what every operation of the key service may answer: a sentence.
pub(super) fn finish_service(mut api: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    for item in api.paths.paths.values_mut() {
        for (_, operation) in operations(item) {
            for (status, description) in SENTENCES {
                let content = ContentBuilder::new()
                    .schema(Some(Object::with_type(Type::String)))
                    .build();
                let response = ResponseBuilder::new()
                    .description(*description)
                    .content("application/json", content.clone())
                    .content("text/xml", content)
                    .build();
                operation
                    .responses
                    .responses
                    .insert((*status).to_owned(), response.into());
            }
        }
    }
    api
}

/// The key service's refusals, each with a sentence for a body.
const SENTENCES: &[(&str, &str)] = &[
    ("400", "It cannot be done; the sentence says why"),
    ("404", "No such key, or link"),
    ("413", "Too large"),
    (
        "429",
        "Too many requests or wrong passphrases, or too much waits; `Retry-After` where waiting helps",
    ),
    ("500", "Something went wrong"),
    ("503", "Too much to do; `Retry-After`"),
    ("507", "The disk is full"),
];

fn problem(slugs: &[Slug]) -> utoipa::openapi::Response {
    let description: Vec<String> = slugs
        .iter()
        .map(|slug| format!("`{slug}`: {}.", slug.title()))
        .collect();
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    ResponseBuilder::new()
        .description(description.join(" "))
        .content(MEDIA_TYPE, content)
        .build()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [
        ("get", &mut item.get),
        ("put", &mut item.put),
        ("post", &mut item.post),
        ("delete", &mut item.delete),
        ("head", &mut item.head),
        ("patch", &mut item.patch),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// What any call may answer.
const OPEN: &[Slug] = &[Slug::BodyInvalid, Slug::Unavailable, Slug::Internal];

/// What any signed call may answer.
const SIGNED: &[Slug] = &[
    Slug::BodyInvalid,
    Slug::Unsigned,
    Slug::SignatureInvalid,
    Slug::ClockSkew,
    Slug::ReplayedRequest,
    Slug::UnknownDevice,
    Slug::TooLarge,
    Slug::TooManyRequests,
    Slug::Unavailable,
    Slug::StorageFull,
    Slug::Internal,
];

/// What a call may answer besides. The router's own answers (`not-found`, `method-not-allowed`) are in `components` alone.
fn problems_of(method: &str, path: &str) -> &'static [Slug] {
    match (method, path) {
        ("put", "/v1/accounts/{account}/card") => &[
            Slug::CardChanged,
            Slug::CardInvalid,
            Slug::AccountRevoked,
            Slug::PreconditionRequired,
            Slug::UnsupportedMediaType,
        ],
        (
            "get",
            "/v1/accounts/{account}/card"
            | "/v1/accounts/{account}/revocation"
            | "/v1/accounts/{account}/rotations",
        ) => &[Slug::UnknownAccount],
        ("put", "/v1/accounts/{account}/revocation") => &[
            Slug::UnknownAccount,
            Slug::RevocationInvalid,
            Slug::UnsupportedMediaType,
        ],
        ("put", "/v1/names/{name}") => &[
            Slug::NameTaken,
            Slug::NameInvalid,
            Slug::Forbidden,
            Slug::UnsupportedMediaType,
        ],
        ("get", "/v1/names/{name}") => &[Slug::UnknownName, Slug::NameInvalid],
        ("get", "/v1/accounts/{account}/name") => &[Slug::UnknownName],
        ("post", "/v1/prekeys") => &[
            Slug::PrekeyInvalid,
            Slug::AccountRevoked,
            Slug::UnsupportedMediaType,
        ],
        ("post", "/v1/accounts/{account}/prekeys/claim") => &[
            Slug::UnknownAccount,
            Slug::AccountRevoked,
            Slug::UnsupportedMediaType,
        ],
        ("post", "/v1/envelopes") => &[
            Slug::UnknownMailbox,
            Slug::MailboxFull,
            Slug::SubmissionInvalid,
            Slug::EnvelopeConflict,
            Slug::UnsupportedMediaType,
        ],
        ("post", "/v1/mailbox/ack" | "/v1/status") => &[Slug::UnsupportedMediaType],
        ("post", "/v1/attachments") => &[
            Slug::AttachmentConflict,
            Slug::AttachmentQuota,
            Slug::DigestMismatch,
            Slug::UnsupportedMediaType,
        ],
        ("head", "/v1/attachments/{id}") => &[Slug::UnknownAttachment],
        ("patch", "/v1/attachments/{id}") => &[
            Slug::UnknownAttachment,
            Slug::Forbidden,
            Slug::OffsetMismatch,
            Slug::DigestMismatch,
            Slug::UnsupportedMediaType,
        ],
        ("get", "/v1/attachments/{id}") => &[Slug::UnknownAttachment, Slug::RangeNotSatisfiable],
        ("get", "/v1/accounts/{account}/devices") | ("delete", "/v1/attachments/{id}") => {
            &[Slug::Forbidden]
        }
        ("put", "/v1/links/{link}/{slot}") => &[
            Slug::NotFound,
            Slug::UnknownLink,
            Slug::LinkConflict,
            Slug::LinkEnded,
            Slug::TooLarge,
            Slug::TooManyRequests,
            Slug::UnsupportedMediaType,
        ],
        ("get", "/v1/links/{link}/{slot}") => &[
            Slug::NotFound,
            Slug::UnknownLink,
            Slug::LinkEnded,
            Slug::TooManyRequests,
        ],
        ("delete", "/v1/links/{link}") => &[Slug::TooManyRequests],
        _ => problems_of_drops(method, path),
    }
}

fn problems_of_drops(method: &str, path: &str) -> &'static [Slug] {
    match (method, path) {
        ("put", "/v1/drops/{drop}") => &[
            Slug::DropInvalid,
            Slug::DropConflict,
            Slug::DropEnded,
            Slug::Forbidden,
            Slug::UnsupportedMediaType,
        ],
        ("get", "/v1/drops/{drop}") => &[Slug::UnknownDrop, Slug::DropEnded, Slug::TooManyRequests],
        ("delete", "/v1/drops/{drop}") => &[Slug::Forbidden],
        ("post", "/v1/drops/{drop}/attachments") => &[
            Slug::UnknownDrop,
            Slug::DropEnded,
            Slug::DropFull,
            Slug::AttachmentConflict,
            Slug::DigestMismatch,
            Slug::TooLarge,
            Slug::TooManyRequests,
            Slug::UnsupportedMediaType,
            Slug::StorageFull,
        ],
        ("patch", "/v1/drops/{drop}/attachments/{id}") => &[
            Slug::UnknownAttachment,
            Slug::Forbidden,
            Slug::OffsetMismatch,
            Slug::DigestMismatch,
            Slug::TooLarge,
            Slug::TooManyRequests,
            Slug::UnsupportedMediaType,
            Slug::StorageFull,
        ],
        ("post", "/v1/drops/{drop}/envelopes") => &[
            Slug::UnknownDrop,
            Slug::DropEnded,
            Slug::DropFull,
            Slug::SubmissionInvalid,
            Slug::EnvelopeConflict,
            Slug::TooLarge,
            Slug::TooManyRequests,
            Slug::UnsupportedMediaType,
            Slug::StorageFull,
        ],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_and_every_problem_is_described() {
        let api = super::super::openapi();
        let json = serde_json::to_value(&api).unwrap();
        assert!(json["openapi"].as_str().unwrap().starts_with("3.1"));
        let table = [
            ("get", "/v1/relay"),
            ("get", "/openapi.json"),
            ("get", "/livez"),
            ("get", "/readyz"),
            ("put", "/v1/accounts/{account}/card"),
            ("get", "/v1/accounts/{account}/card"),
            ("put", "/v1/accounts/{account}/revocation"),
            ("get", "/v1/accounts/{account}/revocation"),
            ("get", "/v1/accounts/{account}/rotations"),
            ("get", "/v1/accounts/{account}/devices"),
            ("put", "/v1/names/{name}"),
            ("get", "/v1/names/{name}"),
            ("get", "/v1/accounts/{account}/name"),
            ("post", "/v1/prekeys"),
            ("get", "/v1/prekeys"),
            ("post", "/v1/accounts/{account}/prekeys/claim"),
            ("post", "/v1/envelopes"),
            ("get", "/v1/mailbox"),
            ("post", "/v1/mailbox/ack"),
            ("post", "/v1/status"),
            ("delete", "/v1/envelopes/{env_id}/{to}"),
            ("post", "/v1/attachments"),
            ("head", "/v1/attachments/{id}"),
            ("patch", "/v1/attachments/{id}"),
            ("get", "/v1/attachments/{id}"),
            ("delete", "/v1/attachments/{id}"),
            ("put", "/v1/drops/{drop}"),
            ("get", "/v1/drops/{drop}"),
            ("delete", "/v1/drops/{drop}"),
            ("post", "/v1/drops/{drop}/attachments"),
            ("patch", "/v1/drops/{drop}/attachments/{id}"),
            ("post", "/v1/drops/{drop}/envelopes"),
            ("put", "/v1/links/{link}/{slot}"),
            ("get", "/v1/links/{link}/{slot}"),
            ("delete", "/v1/links/{link}"),
            ("post", "/Service"),
            ("get", "/Service"),
            ("put", "/Service"),
            ("delete", "/Service"),
            ("get", "/Service/Files/{id}"),
        ];
        for (method, path) in table {
            let operation = &json["paths"][path][method];
            assert!(operation.is_object(), "{method} {path}");
            let open = is_open(method, path) || path.starts_with("/Service");
            assert_eq!(operation["security"].is_array(), !open, "{method} {path}");
        }
        let described: usize = json["paths"]
            .as_object()
            .unwrap()
            .values()
            .map(|item| item.as_object().unwrap().len())
            .sum();
        assert_eq!(described, table.len(), "no call beyond the table");
        let whole = json["paths"].to_string();
        for slug in Slug::ALL {
            assert!(
                json["components"]["responses"][slug.as_str()].is_object(),
                "{slug}"
            );
            let routers = matches!(slug, Slug::NotFound | Slug::MethodNotAllowed);
            assert!(
                routers || whole.contains(&format!("`{slug}`")),
                "{slug} belongs to no call"
            );
        }
    }
}
