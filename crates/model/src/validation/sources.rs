//! Where certificates and keys come from.

use super::Violations;
use crate::proto::system::{DataSource, data_source::Type};

/// A source that is not empty. What stands in it goes through `check`; whether a Secret exists is not
/// asked: it may come later.
pub(crate) fn data_source(
    violations: &mut Violations,
    field: String,
    source: &DataSource,
    check: impl Fn(&[u8]) -> Result<(), String>,
) {
    let inline = match &source.r#type {
        Some(Type::File(path)) if !path.is_empty() => {
            violations.add(
                field,
                "files are not read: put the certificate into a Secret",
            );
            return;
        }
        Some(Type::Secret(name)) if !name.is_empty() => return,
        Some(Type::Inline(bytes)) if !bytes.value.is_empty() => &bytes.value,
        Some(Type::InlineString(text)) if !text.is_empty() => text.as_bytes(),
        _ => {
            violations.add(field, "data source cannot be empty");
            return;
        }
    };
    if let Err(reason) = check(inline) {
        violations.add(field, reason);
    }
}
