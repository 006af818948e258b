//! OpenAPI document of the API, generated from the handlers (`rest/`) and the types of memtap-api.
//! The server serves it, and it is committed as `docs/openapi.json`, from which the types of the
//! page are generated.

use axum::Router;
use memtap_api::{FocusAnswer, FocusedRequests, Problem, Snapshot, Tick, Update};
use utoipa::Number;
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayItems, KnownFormat, Object, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{ContentBuilder, OpenApi as Document, Ref, RefOr, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;

use crate::{State, rest};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "memtap",
        description = "Every memory request of every process, live and in history. Sizes are in bytes, and times are RFC 3339 in UTC. \
            Where an endpoint has `from` and `to`, the default range is the last hour, unless it says otherwise. \
            `Update`, `Snapshot`, `Tick`, `FocusedRequests` and `FocusAnswer` are the payloads of the Socket.IO events: see `docs/api.md`."
    ),
    // Schemas that no response refers to.
    components(schemas(Snapshot, Tick, Update, FocusedRequests, FocusAnswer, Problem, rest::SortField, rest::Order))
)]
struct Head;

/// REST endpoints and their description.
pub(crate) fn described() -> (Router<State>, Document) {
    let endpoints = OpenApiRouter::with_openapi(Head::openapi()).merge(rest::routes());
    let (router, mut document) = endpoints.split_for_parts();
    for operation in document.paths.paths.values_mut().filter_map(|item| item.get.as_mut()) {
        complete_answers(operation);
        for parameter in operation.parameters.iter_mut().flatten() {
            if let RefOr::T(parameter) = parameter {
                complete_parameter(parameter);
            }
        }
    }
    let components = document.components.iter_mut().flat_map(|components| components.schemas.values_mut());
    components.for_each(complete_schema);
    (router, document)
}

/// OpenAPI 3.1 document of the API, as it is committed.
#[must_use]
pub fn document() -> String {
    described().1.to_pretty_json().unwrap_or_default() + "\n"
}

/// Adds the responses that every endpoint can return, because `access.rs` and `params.rs` run
/// before the handlers.
fn complete_answers(operation: &mut Operation) {
    let answers = &mut operation.responses.responses;
    for answer in answers.values_mut() {
        if let RefOr::T(answer) = answer
            && answer.description.is_empty()
        {
            "Success.".clone_into(&mut answer.description);
        }
    }
    let mut refusal = |status: &str, why: &str| {
        let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let answer = ResponseBuilder::new().description(why).content("application/json", body);
        answers.insert(status.to_owned(), answer.build().into());
    };
    refusal("400", "A parameter is unknown or has an invalid value, or the HTTP request is ambiguous.");
    refusal("403", "The origin or site of the calling page is not allowed.");
    refusal("421", "The `Host` header is not a loopback name.");
}

/// Allows empty values, which count as missing (`params.rs`): forms send them for empty fields.
fn complete_parameter(parameter: &mut Parameter) {
    if parameter.parameter_in == ParameterIn::Query {
        let may_be_empty = ("allowEmptyValue".to_owned(), true.into());
        parameter.extensions.get_or_insert_default().extend([may_be_empty]);
    }
    parameter.schema.iter_mut().for_each(complete_schema);
}

/// Adds what holds for all schemas here but is missing from the derived ones, recursively.
fn complete_schema(schema: &mut RefOr<Schema>) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => {
            require_nullable(object);
            bound(object);
            object.properties.values_mut().for_each(complete_schema);
            if let Some(AdditionalProperties::RefOr(values)) = object.additional_properties.as_deref_mut() {
                complete_schema(values);
            }
        }
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                complete_schema(items);
            }
        }
        Schema::AllOf(all) => all.items.iter_mut().for_each(complete_schema),
        Schema::OneOf(one) => one.items.iter_mut().for_each(complete_schema),
        _ => {}
    }
}

/// Marks nullable fields as required: serde writes `None` as null, so the field is always present.
fn require_nullable(object: &mut Object) {
    let nullable = object.properties.iter().filter(|(_, schema)| may_be_null(schema)).map(|(name, _)| name);
    let new: Vec<_> = nullable.filter(|name| !object.required.contains(name)).cloned().collect();
    object.required.extend(new);
}

fn may_be_null(schema: &RefOr<Schema>) -> bool {
    let null = |kinds: &SchemaType| match kinds {
        SchemaType::Type(kind) => *kind == Type::Null,
        SchemaType::Array(kinds) => kinds.contains(&Type::Null),
        SchemaType::AnyValue => false,
    };
    match schema {
        RefOr::T(Schema::Object(object)) => null(&object.schema_type),
        RefOr::T(Schema::Array(array)) => null(&array.schema_type),
        RefOr::T(Schema::OneOf(one)) => one.items.iter().any(may_be_null),
        _ => false,
    }
}

/// Sets the format name from the OpenAPI format registry, and the upper bound, for unsigned
/// numbers.
fn bound(object: &mut Object) {
    let (name, most) = match &object.format {
        Some(SchemaFormat::KnownFormat(KnownFormat::UInt16)) => ("uint16", usize::from(u16::MAX)),
        Some(SchemaFormat::KnownFormat(KnownFormat::UInt32)) => ("uint32", u32::MAX as usize),
        Some(SchemaFormat::KnownFormat(KnownFormat::UInt64)) => ("uint64", u64::MAX as usize),
        _ => return,
    };
    object.format = Some(SchemaFormat::Custom(name.to_owned()));
    object.maximum.get_or_insert(Number::UInt(most));
}
