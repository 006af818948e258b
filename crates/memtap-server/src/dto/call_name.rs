//! The names of the calls, for the document: those of the call table.

use std::borrow::Cow;

use memtap_model::CALLS;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// Stands for the name of a call.
pub(crate) struct CallName;

impl PartialSchema for CallName {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Name of a memory system call."))
            .enum_values(Some(CALLS.iter().map(|row| row.name)))
            .into()
    }
}

impl ToSchema for CallName {
    fn name() -> Cow<'static, str> {
        "CallName".into()
    }
}
