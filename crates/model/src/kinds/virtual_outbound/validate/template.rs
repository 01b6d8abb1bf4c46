//! Templates as Go has them, as far as names and ports need them: text and `{{ .parameter }}`.

use std::collections::BTreeMap;

use crate::validation::fields;

/// What Go writes for a parameter that does not exist.
const NO_VALUE: &str = "<no value>";
/// Words of Go's that begin something which is not filled in here.
const WORDS: [&str; 32] = ["and", "block", "break", "call", "continue", "define", "else", "end", "eq", "false", "ge", "gt", "html", "if", "index", "js", "le", "len", "lt", "ne", "nil", "not", "or", "print", "printf", "println", "range", "slice", "template", "true", "urlquery", "with"];

/// The text with its parameters; `None` if the template uses more of Go than that.
///
/// # Errors
/// What Go says of a template that cannot be read.
pub(super) fn fill(text: &str, values: &BTreeMap<&str, &str>) -> Result<Option<String>, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let trims_before = after.strip_prefix("- ");
        filled.push_str(if trims_before.is_some() { before.trim_end() } else { before });
        let after = trims_before.unwrap_or(after);
        let (action, after) = after.split_once("}}").map_or((after, None), |(action, after)| {
            (action, Some(after))
        });
        let (action, trims_after) = match action.strip_suffix(" -") {
            Some(action) => (action, true),
            None => (action, false),
        };
        let Some(name) = parameter(action.trim())? else { return Ok(None) };
        let Some(after) = after else {
            return Err(unreadable("unclosed action"));
        };
        filled.push_str(values.get(name).copied().unwrap_or(NO_VALUE));
        rest = if trims_after { after.trim_start() } else { after };
    }
    filled.push_str(rest);
    Ok(Some(filled))
}

/// The parameter of `.parameter`.
fn parameter(action: &str) -> Result<Option<&str>, String> {
    let is_word = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    if let Some(name) = action.strip_prefix('.')
        && is_word(name)
    {
        return Ok(Some(name));
    }
    if is_word(action) && !WORDS.contains(&action) && action.starts_with(char::is_alphabetic) {
        return Err(unreadable(&format!("function {action:?} not defined")));
    }
    Ok(None)
}

fn unreadable(reason: &str) -> String {
    let reason = format!("template: :1: {reason}");
    format!("failed compiling gotemplate error={reason:?}")
}

/// A host that DNS can have.
pub(super) fn check_host(host: &str) -> Result<(), String> {
    if fields::is_dns_name(host) {
        return Ok(());
    }
    Err(format!(
        "evaluation of template with parameters didn't return a valid dns name result={host:?}"
    ))
}

/// A port as a number.
pub(super) fn check_port(port: &str) -> Result<(), String> {
    match port.parse::<i64>() {
        Err(_) => Err(format!(
            "evaluation of template with parameters didn't evaluate to a parsable number \
             result={port:?}"
        )),
        Ok(port) if !(1..=65535).contains(&port) => Err(format!(
            "evaluation of template returned a port outside of the range [1..65535] result={port}"
        )),
        Ok(_) => Ok(()),
    }
}
