//! The name of a memory system call.

use std::borrow::{Borrow, Cow};
use std::fmt::{self, Display, Formatter};
use std::ops::Deref;

use memtap_model::Call;
use serde::{Deserialize, Serialize};

/// Name of a memory system call. A name that the call table does not contain (of another version of
/// memtap) is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String")]
pub struct CallName(Cow<'static, str>);

impl From<Call> for CallName {
    fn from(call: Call) -> Self {
        Self(Cow::Borrowed(call.name()))
    }
}

impl From<String> for CallName {
    /// A known name needs no memory of its own.
    fn from(name: String) -> Self {
        Call::from_name(&name).map_or(Self(Cow::Owned(name)), Self::from)
    }
}

impl Deref for CallName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for CallName {
    fn borrow(&self) -> &str {
        self
    }
}

impl Display for CallName {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.pad(self)
    }
}

#[cfg(feature = "openapi")]
mod schema {
    use memtap_model::CALLS;
    use utoipa::openapi::RefOr;
    use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
    use utoipa::{PartialSchema, ToSchema};

    use super::CallName;

    // Not derived: the names are those of the call table.
    impl PartialSchema for CallName {
        fn schema() -> RefOr<Schema> {
            ObjectBuilder::new()
                .schema_type(Type::String)
                .description(Some("Name of a memory system call."))
                .enum_values(Some(CALLS.iter().map(|row| row.name)))
                .into()
        }
    }

    impl ToSchema for CallName {}
}
